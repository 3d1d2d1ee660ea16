import Foundation
import Simulation

/// The hold model on the engine's queue alone: N pending events, each of which, when it fires,
/// sets itself again after an exponential delay. The same work as tools/heap4.cc, with the same
/// table of delays and the same generator.
enum Hold {
  private static let delays: [UInt64] = (0..<1024).map {
    1 + UInt64(-log(1 - (Double($0) + 0.5) / 1024) * 1024)
  }

  /// - Returns: events per second of CPU time.
  static func measure(slots: Int, events: Int) -> Double {
    var tree = WinnerTree(leafCount: slots)
    var table = Buffer<UInt64>(1024, 0)
    for index in 0..<1024 { table[index] = delays[index] }
    var state: UInt64 = 88_172_645_463_325_252
    func delay(_ state: inout UInt64) -> Simulation.Duration {
      state ^= state << 13
      state ^= state >> 7
      state ^= state << 17
      return Duration(picoseconds: table[Int(truncatingIfNeeded: state >> 54)])
    }
    for slot in 0..<slots { tree.set(slot, .zero + delay(&state)) }
    let begin = cpuSeconds()
    for _ in 0..<events {
      let key = tree.first
      let now = Instant(picoseconds: key >> WinnerTree.leafBits)
      let leaf = Int(truncatingIfNeeded: key & (1 << WinnerTree.leafBits - 1))
      tree.set(leaf, now + delay(&state))
    }
    return Double(events) / (cpuSeconds() - begin)
  }
}

/// The queue and the yardstick in turns, the median of three each.
struct HoldBench {
  let yardstick: String?
  let effort: Int

  func run(_ sheet: Sheet) throws {
    for slots in [64, 1024, 4096] {
      let (engine, heap) = ("engine.hold.\(slots)", "yardstick.heap4.\(slots)")
      guard sheet.wants(engine) || sheet.wants(heap) else { continue }
      let events = 2_000_000 * effort
      var (ours, theirs): ([Double], [Double]) = ([], [])
      for _ in 0..<3 {
        ours.append(Hold.measure(slots: slots, events: events))
        guard let yardstick else { continue }
        let output = try Child.output(yardstick, ["\(slots)", "\(events)"])
        guard let figure = output.split(whereSeparator: \.isWhitespace).last.flatMap({ Double($0) })
        else { throw BenchError("the yardstick printed `\(output)`") }
        theirs.append(figure)
      }
      sheet.add("\(engine).events_per_s", median(ours), "events/s")
      if theirs.isEmpty {
        sheet.note("no yardstick: run tools/bench, which builds it")
      } else {
        sheet.add("\(heap).events_per_s", median(theirs), "events/s")
      }
    }
  }
}
