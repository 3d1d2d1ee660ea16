import Hardware
import Simulation

/// Waits until every object that `kfree_rcu()` took before is free: what has gathered on any CPU
/// becomes a batch, then all batches, their grace periods and their work are waited for.
///
/// A CPU whose batches are both under way is asked a second time, when they are over.
///
/// Kernel: `kvfree_rcu_barrier()` (kernel/rcu/tree.c, 6.12). Here a work item of each CPU makes its
/// batch; in Linux the caller makes them all.
package enum KvfreeRCUBarrier: Path {
  case start
  case queueing(from: Int32, isSecond: Bool)
  case queued(Int32, isSecond: Bool)
  case flushing(from: Int32, isSecond: Bool)

  package static var name: PathName { .kvfree_rcu_barrier }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start: return ask(.sync, then: .queueing(from: 0, isSecond: false))
    case .queueing(let from, let isSecond):
      guard let target = world.kfreeRCU.firstGathering(from: Int(from)) else {
        guard world.kfreeRCU.hasBatches else { return flush(0, isSecond, &world) }
        return ask(
          .call(.rcuBarrier(.start)), then: .flushing(from: 0, isSecond: isSecond))
      }
      return ask(
        .queueWork(.kfreeRCUMonitor, on: CPUID(target)),
        then: .queued(Int32(target), isSecond: isSecond))
    case .queued(let target, let isSecond):
      return ask(
        .call(.flushWork(.start(.kfreeRCUMonitor, on: CPUID(Int(target))))),
        then: .queueing(from: target + 1, isSecond: isSecond))
    case .flushing(let from, let isSecond): return flush(from, isSecond, &world)
    }
  }

  /// Waits for the work of one batch after the other: two of each CPU.
  private mutating func flush(
    _ place: Int32, _ isSecond: Bool, _ world: inout World
  ) -> Step {
    let (target, batch) = (Int(place) / KfreeRCU.batchCount, Int(place) % KfreeRCU.batchCount)
    guard target < world.kfreeRCU.cpus.count else {
      world.kfreeRCU.cancelIdleTimers()
      guard !isSecond, world.kfreeRCU.firstGathering(from: 0) != nil else { return .return() }
      return ask(.sync, then: .queueing(from: 0, isSecond: true))
    }
    return ask(
      .call(.flushWork(.start(.kfreeRCU(batch: UInt8(batch)), on: CPUID(target)))),
      then: .flushing(from: place + 1, isSecond: isSecond))
  }
}

extension KfreeRCU {
  /// The first CPU from `first` on with objects that no batch has. Complexity: O(CPUs).
  func firstGathering(from first: Int) -> Int? {
    (first..<cpus.count).first { !cpus[$0].gathering.isEmpty }
  }

  /// Whether a batch of any CPU waits. Complexity: O(CPUs).
  var hasBatches: Bool {
    (0..<cpus.count).contains { !cpus[$0].batches[0].isEmpty || !cpus[$0].batches[1].isEmpty }
  }

  /// Stops the timers of CPUs that have nothing. Kernel: `cancel_delayed_work_sync()`.
  mutating func cancelIdleTimers() {
    for cpu in 0..<cpus.count where cpus[cpu].gathering.isEmpty { cpus[cpu].timer = .never }
  }
}
