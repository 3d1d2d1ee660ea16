import Hardware
import Kernel

/// Times the loops of one published series, with prices of choice.
struct CycleBench {
  let series: PublishedSeries
  private let machine: RecordedMachine
  private let version: KernelVersion
  private let costs: Costs
  /// Times a loop is repeated where one object goes round.
  private static let pairs = 1000
  private static let rounds = 20
  private static let memory: UInt64 = 16 << 30

  init(_ series: PublishedSeries, file: String) throws(RecordingError) {
    self.series = series
    machine = RecordedMachine(
      nodes: [Array(0..<PublishedSeries.cpuCount)], memory: CycleBench.memory)
    guard let version = KernelVersion(named: series.kernel),
      let costs = try? CostFile.named("generic-x86")
    else {
      throw RecordingError(
        .impossible, file: file, "Linux \(series.kernel) or the bundled costs are missing",
        hint: "this is an error of kmemu; please report it")
    }
    (self.version, self.costs) = (version, costs)
  }

  /// What a figure of the series comes to here. Unit: cycles. Nil where it is of no known kind.
  func cycles(_ row: PublishedTable.Row, _ fit: CostFit) -> Double? {
    var test = SlabTest(boot(fit))
    let picoseconds: Double
    switch row.figure.split(separator: "_x").first ?? "" {
    case "alloc":
      picoseconds = test.allocateThenFree(size: row.x, count: series.objects).allocate
    case "free": picoseconds = test.allocateThenFree(size: row.x, count: series.objects).free
    case "alloc_free_pair": picoseconds = test.pair(size: row.x, count: Self.pairs)
    case "alloc_free_cost_per_object":
      let api: SlabTest.API = series.isBulk ? .bulk : .oneByOne
      picoseconds = test.batches(of: row.x, api, rounds: Self.rounds)
    default: return nil
    }
    return picoseconds * Double(series.clock) / 1e6
  }

  private func boot(_ fit: CostFit) -> Boot {
    var config = KernelConfig()
    config.slab = series.slab
    config.memcg = false
    return Boot(
      machine: machine.description, version: version, costs: fit.applied(to: costs),
      config: config)
  }

  /// Sets the factors that no series of the machine has set yet, one after the other; each figure
  /// is linear in its own, and does not depend on those that are set later.
  func fit(_ fit: CostFit, to rows: [PublishedTable.Row]) -> CostFit {
    var fit = fit
    func set(_ factors: [WritableKeyPath<CostFit, Double?>], _ candidates: [(Int, String)]) {
      let open = factors.filter { fit[keyPath: $0] == nil }
      for (x, figure) in candidates where !open.isEmpty {
        guard let row = rows.first(where: { $0.x == x && $0.figure.hasPrefix(figure) }),
          let one = cycles(row, fit)
        else { continue }
        var twice = fit
        for factor in open { twice[keyPath: factor] = 2 }
        guard let two = cycles(row, twice), two > one else { continue }
        for factor in open {
          fit[keyPath: factor] = max(1 + (row.value - one) / (two - one), 0.05)
        }
        fit.by.append(CostFit.name(row))
        return
      }
    }
    let perObject = "alloc_free_cost_per_object"
    if series.isBulk { set([\.bulk], [(16, perObject)]) }
    set([\.fast], [(8, "alloc_free_pair"), (8, "alloc_x"), (1, perObject)])
    set([\.slow], [(256, "alloc_x")])
    set([\.slowFree], [(256, "free_x")])
    set([\.slow, \.slowFree], [(250, perObject)])
    return fit
  }
}
