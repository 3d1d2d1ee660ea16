import Glibc
import Simulation

/// The hold model on the engine's queue alone: N pending events, each of which, when it fires,
/// sets itself again after an exponential delay. The same work as tools/heap4.cc, with the same
/// table of delays and the same generator.
struct Hold {
  private static let delays: [UInt64] = (0..<1024).map {
    1 + UInt64(-log(1 - (Double($0) + 0.5) / 1024) * 1024)
  }

  /// - Returns: events per second of CPU time.
  static func measure(slots: Int, events: Int) -> Double {
    var tree = WinnerTree(leafCount: slots)
    var table = Buffer<UInt64>(1024, 0)
    for index in 0..<1024 { table[index] = delays[index] }
    var state: UInt64 = 88_172_645_463_325_252
    func delay(_ state: inout UInt64) -> Duration {
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

/// CPU time of this process. Unit: seconds.
func cpuSeconds() -> Double {
  var time = timespec()
  unsafe clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
  return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
}
