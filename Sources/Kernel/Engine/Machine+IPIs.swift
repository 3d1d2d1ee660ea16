import Hardware
import Simulation

/// What one write of an interrupt controller's register reaches, and what it costs.
///
/// Kernel: arch/x86/kernel/apic/x2apic_cluster.c, x2apic_phys.c, apic_flat_64.c, ipi.c,
/// arch/x86/kernel/kvm.c (4.19, 6.12); drivers/irqchip/irq-gic-v3.c (6.12).
struct IPIDelivery: BitwiseCopyable {
  enum Reach: BitwiseCopyable {
    /// Any CPUs; those of a cluster of 16; one; those of 128 numbers from the first on.
    case anyMask, cluster, one, window
  }
  let reach: Reach
  /// All CPUs but the writer can be told at once.
  let hasShorthand: Bool
  /// What a write to one CPU, or to all others, takes, and one to a mask.
  let write: Duration
  let maskWrite: Duration

  init(_ boot: borrowing Boot) {
    let (platform, rules, costs) = (boot.platform, boot.version.calls, boot.costs)
    guard !boot.architecture.name.isARM else {
      (reach, hasShorthand) = (.cluster, false)
      (write, maskWrite) = (costs[.icrWrite], costs[.icrWrite])
      return
    }
    var apic = platform.apic
    if !rules.hasX2APIC, apic == .x2apicCluster || apic == .x2apicPhysical {
      apic = boot.cpuCount <= 8 ? .xapicFlat : .xapicPhysflat
    }
    let isX2APIC = apic == .x2apicCluster || apic == .x2apicPhysical
    let isGuest = platform.guest == .kvm
    let price = costs[isX2APIC ? .icrWrite : .xapicWrite] + (isGuest ? costs[.vmExit] : .zero)
    let asksHost = isGuest && rules.hasHypercall
    hasShorthand = rules.usesShorthand
    (write, maskWrite) = (price, asksHost ? costs[.vmExit] : price)
    reach =
      if asksHost { .window } else {
        switch apic {
        case .x2apicCluster: .cluster
        case .xapicFlat: .anyMask
        case .x2apicPhysical, .xapicPhysflat: .one
        }
      }
  }
}

/// Interrupts that one CPU sends to others.
extension Machine {
  /// Interrupts the targets of the request of `cpu` that need it. Takes the time of the writes,
  /// during which its own interrupts are off.
  mutating func sendCalls(on cpu: CPUID) -> Reply? {
    let count = Int(world.calls.requests[cpu.index].interrupts)
    guard count > 0 else {
      world.calls.requests[cpu.index].sent = now
      return Reply.none
    }
    let end = count == 1 ? sendToOne(from: cpu) : sendToMany(count, from: cpu)
    world.calls.requests[cpu.index].sent = end
    mix(cpu, end, 9)
    schedule(cpu, at: end, .indivisible, as: .interrupt)
    return nil
  }

  private mutating func sendToOne(from cpu: CPUID) -> Instant {
    var target = CPUID.none
    for cluster in 0..<world.calls.clusterCount {
      let mask = world.calls.takeMask(cpu, cluster: cluster)
      if mask != 0 { target = CPUID(cluster * 16 + mask.trailingZeroBitCount) }
    }
    guard !isPolling(target) else { return wakePolling(target, from: cpu) }
    world.counters.add(.ipisSent)
    world.counters.add(.ipiWrites)
    deliver(.callFunction, to: target, from: cpu, now + delivery.write)
    return now + delivery.write
  }

  private mutating func sendToMany(_ count: Int, from cpu: CPUID) -> Instant {
    world.counters.add(.ipisSent, UInt64(count))
    let isAll = delivery.hasShorthand && count == cpuCount - 1
    let price = isAll ? delivery.write : delivery.maskWrite
    var (sent, first) = (now, Int.min)
    for cluster in 0..<world.calls.clusterCount {
      var mask = world.calls.takeMask(cpu, cluster: cluster)
      while mask != 0 {
        let target = cluster * 16 + mask.trailingZeroBitCount
        mask &= mask &- 1
        let isReached = first >= 0 && (isAll || delivery.isReached(target, with: first))
        if !isReached {
          first = target
          sent += price
          world.counters.add(.ipiWrites)
        }
        deliver(.callFunction, to: CPUID(target), from: cpu, sent)
      }
    }
    return sent
  }

  mutating func deliver(
    _ vector: IRQVector, to target: CPUID, from cpu: CPUID, _ sent: Instant
  ) {
    let isNear = world.layout.isSamePackage(cpu.index, target.index)
    arrive(vector, at: target, sent + costs[isNear ? .ipiSameSocket : .ipiOtherSocket])
  }

  private mutating func arrive(_ vector: IRQVector, at target: CPUID, _ arrival: Instant) {
    let slot = Int(vector.rawValue)
    guard arrival < world.cpus[target].arrivals[slot] else { return }
    world.cpus[target].arrivals[slot] = arrival
    queue.set(target.interruptLeaf, world.cpus[target].nextArrival)
  }

  // MARK: Idle targets

  /// Whether `cpu` watches its own flags while it idles, as MWAIT does too. Kernel:
  /// `TIF_POLLING_NRFLAG`.
  private func isPolling(_ cpu: CPUID) -> Bool {
    world.version.calls.sparesPolling && world.platform.idle != .none
      && world.cpus[cpu].depth == 0 && world.cpus[cpu].activity == .idle
  }

  /// Sets the flag that `target` watches. Kernel: `set_nr_if_polling()` (kernel/sched/core.c, 6.12).
  private mutating func wakePolling(_ target: CPUID, from cpu: CPUID) -> Instant {
    let seen = now + world.layout.linePrice(from: target.index, to: cpu.index)
    world.calls.answers[target.index].isPolled = true
    arrive(
      .callFunction, at: target,
      seen + world.layout.linePrice(from: cpu.index, to: target.index))
    return seen
  }

  /// What an idle CPU needs to wake up.
  func wakeFromIdle(_ cpu: CPUID) -> Duration {
    switch world.platform.idle {
    case .none: .zero
    case .poll: costs[.idleExitPoll]
    case .c1: costs[.idleExitC1]
    case .c6: costs[.idleExitC6]
    }
  }

  /// The handler of calls is entered in `delay`. Returns: the delay, where no interrupt brought it.
  mutating func noteCallTaken(on cpu: CPUID, after delay: Duration) -> Duration {
    let entry = costs[.interruptEntry]
    world.calls.answers[cpu.index].taken = now + (delay - entry)
    if delay > entry { world.calls.answers[cpu.index].cause = .idle }
    return world.calls.answers[cpu.index].isPolled ? delay - entry : delay
  }
}

extension IPIDelivery {
  /// Whether a write that began with CPU `first` reaches `target`, which comes after it.
  func isReached(_ target: Int, with first: Int) -> Bool {
    switch reach {
    case .anyMask: true
    case .cluster: target / 16 == first / 16
    case .one: false
    case .window: target < first + 128
    }
  }
}
