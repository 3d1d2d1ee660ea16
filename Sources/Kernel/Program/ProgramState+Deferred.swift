import Simulation

/// The workload's work items, timers and tasklets: what is pending, where, and for when.
extension ProgramState {
  mutating func fillDeferred(_ program: Program) {
    for (index, item) in program.deferred.enumerated() {
      deferred[index].kind = item.kind
      deferred[index].entry = Int32(item.entry)
      var activation = Activation()
      activation.slotBase = Int32(usedSlots)
      activation.stream = RandomStream(seed: seed, name: "deferred \(item.name)", index: index)
      usedSlots += item.slotCount
      deferred[index].activation = activations.take(activation)
    }
  }

  /// The soonest time at which a timer expires. Complexity: O(timers).
  var firstTimer: Instant {
    (0..<deferred.count).reduce(.never) { min($0, deferred[$1].expires) }
  }

  /// The soonest after `now`, `never` where there is none. Complexity: O(timers).
  func firstTimer(after now: Instant) -> Instant {
    (0..<deferred.count).reduce(.never) {
      deferred[$1].expires > now ? min($0, deferred[$1].expires) : $0
    }
  }

  /// The first timer of `cpu` that has expired. Complexity: O(timers).
  func dueTimer(of cpu: CPUID, at now: Instant) -> Int? {
    (0..<deferred.count).first { deferred[$0].expires <= now && deferred[$0].cpu == cpu }
  }

  /// The pending tasklet of `cpu` that was scheduled first, not after the one numbered `last`.
  func nextTasklet(of cpu: CPUID, _ kind: Program.Deferred.Kind, upTo last: UInt32) -> Int? {
    var found: Int?
    for index in 0..<deferred.count
    where deferred[index].kind == kind && deferred[index].isPending
      && deferred[index].cpu == cpu && deferred[index].order <= last
    {
      if let other = found, deferred[other].order < deferred[index].order { continue }
      found = index
    }
    return found
  }

  /// Puts a tasklet on the list of `cpu`.
  mutating func schedule(tasklet: Int, on cpu: CPUID) {
    taskletOrder += 1
    deferred[tasklet].isPending = true
    deferred[tasklet].cpu = cpu
    deferred[tasklet].order = taskletOrder
  }
}

/// When a timer expires that is set `delay` ahead: at a tick, never early.
///
/// From 4.8 on a timer waits for the tick after its own, since it may have been set just before one;
/// one that is 64 ticks away or more for the next of every 8, from 512 on of every 64, and so on.
/// Kernel: `msecs_to_jiffies()`, `calc_index()` (kernel/time/timer.c, 6.12).
package enum TimerWheel {
  package static func expiry(
    at now: Instant, delay: Duration, jiffy: Duration, roundsUp: Bool
  ) -> Instant {
    let length = jiffy.picoseconds
    let ticks = (delay.picoseconds + length - 1) / length
    var expires = now.picoseconds / length + ticks
    if roundsUp {
      var level: UInt64 = 0
      while level < 8, ticks >= 63 << (3 * level) { level += 1 }
      let shift = 3 * level
      expires = ((expires + (1 << shift)) >> shift) << shift
    } else if ticks == 0 {
      expires += 1
    }
    return Instant(picoseconds: expires * length)
  }
}
