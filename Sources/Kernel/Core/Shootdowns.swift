import Simulation

/// How a target came to run what another CPU asked of it: when the interrupt arrived, when it was
/// taken, and what the CPU was at in between.
package struct CallAnswer: BitwiseCopyable {
  /// Why an interrupt was not taken when it arrived.
  package enum Cause: UInt8, BitwiseCopyable, Sendable {
    case none
    /// A task or softirq had interrupts off, perhaps waiting so for a lock.
    case irqsOff
    /// It ran an interrupt's handler.
    case handler
    /// It was between two instructions that an interrupt cannot part: a line on its way.
    case step
    /// It slept and had to wake up first.
    case idle

    /// As results spell it.
    package var text: String {
      switch self {
      case .none: "none"
      case .irqsOff: "irqs-off"
      case .handler: "interrupt"
      case .step: "instruction"
      case .idle: "idle"
      }
    }
  }
  package internal(set) var cpu = CPUID.none
  var arrived = Instant.zero
  var taken = Instant.zero
  var done = Instant.zero
  package internal(set) var cause = Cause.none
  /// What it ran then, and the task in or under it.
  package internal(set) var path = PathName.idle
  package internal(set) var task = TaskID.none
  /// A lock that it held or waited for with interrupts off.
  package internal(set) var lock = LockID.none
  /// A flag told it, not an interrupt: it polled in its idle loop.
  var isPolled = false
}

/// A finished cross-CPU call, and where its time went: to the target that answered last.
package struct Shootdown: BitwiseCopyable {
  /// As many of the longest are kept.
  static let kept = 8

  package internal(set) var began = Instant.zero
  package internal(set) var initiator = CPUID.none
  package internal(set) var function = PathName.idle
  package internal(set) var targets: Int32 = 0
  package internal(set) var slowest = CallAnswer()
  /// From the beginning until the interrupt was sent; on its way; until the target took it; until
  /// the target had done its part; until the initiator went on.
  package internal(set) var parts = InlineArray<5, Duration>(repeating: .zero)
  package var length: Duration { parts[0] + parts[1] + parts[2] + parts[3] + parts[4] }

  init() {}
  init(_ request: CallQueues.Request, of cpu: CPUID, targets: Int32, until end: Instant) {
    (began, initiator, self.targets) = (request.since, cpu, targets)
    function = request.function.frame.name
    slowest = request.slowest
    var last = request.since
    let isAnswered = !slowest.cpu.isNone
    let ends: InlineArray<5, Instant> = [
      isAnswered ? min(request.sent, slowest.arrived) : request.sent,
      isAnswered ? slowest.arrived : end, isAnswered ? slowest.taken : end,
      isAnswered ? slowest.done : end, end,
    ]
    for part in 0..<5 {
      let next = min(max(ends[part], last), end)
      parts[part] = next - last
      last = next
    }
  }
}

/// How long initiators waited for all others. Unit: as its types say.
package struct ShootdownStatistics: Sendable {
  package private(set) var count: UInt64 = 0
  package private(set) var total = Duration.zero
  package private(set) var most = Duration.zero
  /// Who answered last in the longest one; -1 when there was none.
  package private(set) var slowest = -1
  /// Sums of `Shootdown.parts`.
  package private(set) var parts = InlineArray<5, Duration>(repeating: .zero)

  mutating func note(_ shootdown: Shootdown) {
    count += 1
    total += shootdown.length
    for part in 0..<5 { parts[part] += shootdown.parts[part] }
    guard shootdown.length > most else { return }
    (most, slowest) = (shootdown.length, shootdown.slowest.cpu.index)
  }
}

extension CallQueues {
  /// Keeps `shootdown` if it is among the longest; of equals the earlier.
  mutating func keep(_ shootdown: Shootdown) {
    var place = slow.count
    while place > 0, slow[place - 1].length < shootdown.length { place -= 1 }
    guard place < slow.count else { return }
    for other in stride(from: slow.count - 1, to: place, by: -1) { slow[other] = slow[other - 1] }
    slow[place] = shootdown
  }

  mutating func forgetSlow() {
    for place in 0..<slow.count { slow[place] = Shootdown() }
  }
}

extension World {
  /// Books a finished cross-CPU call of `cpu`.
  mutating func noteShootdown(on cpu: CPUID) {
    let request = calls.requests[cpu.index]
    let shootdown = Shootdown(request, of: cpu, targets: request.asked, until: now)
    if request.function.isShootdown {
      shootdowns.note(shootdown)
      calls.keep(shootdown)
    }
    guard probe.isOn else { return }
    let nanoseconds = (0..<5).map {
      UInt64(UInt32(clamping: shootdown.parts[$0].picoseconds / 1000))
    }
    let answer = shootdown.slowest
    trace(
      .shootdownEnd, on: cpu,
      a: UInt64(UInt16(truncatingIfNeeded: answer.cpu.index))
        | TraceNames.index(of: answer.path) << 16 | nanoseconds[4] << 32,
      b: nanoseconds[0] | nanoseconds[1] << 32, c: nanoseconds[2] | nanoseconds[3] << 32)
  }

  /// An interrupt that brings calls arrives at `cpu`: notes what it finds there.
  mutating func noteCallArrival(on cpu: CPUID) {
    var answer = CallAnswer()
    (answer.arrived, answer.taken) = (now, now)
    answer.isPolled = calls.answers[cpu.index].isPolled
    answer.path = cpus[cpu].path
    answer.task = cpus[cpu].current
    if cpus[cpu].irqsOff > 0 {
      answer.cause = cpus[cpu].preemptCount.inHardIRQ ? .handler : .irqsOff
      answer.lock = locks.innermost(of: cpu.context(cpus[cpu].depth))
    } else if cpus[cpu].activity == .indivisible || cpus[cpu].activity == .asking {
      answer.cause = .step
    }
    calls.answers[cpu.index] = answer
  }
}
