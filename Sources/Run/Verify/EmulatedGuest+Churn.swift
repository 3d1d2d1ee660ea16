import Kernel

/// The operations that several CPUs carry out at once.
extension EmulatedGuest {
  mutating func churn(
    _ cpus: [Int], _ source: ChurnSource, _ rounds: Int, _ batch: Int
  ) throws(Refusal) -> [String: String] {
    for cpu in cpus where cpu >= cpuCount {
      throw Refusal(
        message: "CPU \(cpu) on a machine of \(cpuCount)", hint: "CPUs count from 0")
    }
    guard cpus.count * batch <= RecordingLimits.objectsMax else {
      throw Refusal(
        message: "more than \(RecordingLimits.objectsMax) objects held at a time",
        hint: "choose a smaller batch")
    }
    switch source {
    case .cache(let name):
      churn(.cache(try cache(name)), rounds: rounds, batch: batch, on: cpus)
    case .vmalloc(let size):
      let pages = Int32((size + 4095) / 4096)
      churn(.vmalloc(pages: pages), rounds: rounds, batch: batch, on: cpus)
    }
    let totals = machine.world.visit.churn.totals
    return ["result.got": "\(totals.got)", "result.fail": "\(totals.failed)"]
  }
}
