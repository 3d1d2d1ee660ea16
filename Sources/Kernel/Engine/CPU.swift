import Simulation

package typealias ContextID = ID<Context>

/// What a CPU is doing between two events, which decides whether an interrupt may cut in.
package enum Activity: UInt8, BitwiseCopyable {
  case idle, computing, indivisible
  /// Computing in the workload's own code, which goes on at `CPU.turn`.
  case inTurn
  /// At a step boundary, with a held step to perform at the scheduled time.
  case asking
  /// Parked: they keep their place in a queue, and end by a hand-over or a signal.
  case queuedForLock, awaitingSignal
  /// Changing tasks.
  case switching
}

/// What a step that takes time will answer when it is done.
enum Answer: UInt8, BitwiseCopyable {
  case none, no, yes

  @inline(__always) var reply: Reply { self == .none ? .none : .bool(self == .yes) }
}

/// One emulated CPU: where it is in its stacks, and which interrupts are on their way to it.
package struct CPU: BitwiseCopyable {
  /// Contexts a CPU can stack: task, softirq, hardirq, NMI.
  static let contextsMax = 4
  /// Frames of its interrupt stack, over all contexts above the task. Unit: frames.
  static let framesMax = 40

  // What every step reads, in one line of the host's cache.

  /// The top frame, an index into the machine's frames; the base when there is none.
  var top: Int32 = 0
  /// One below the running context's first frame.
  var base: Int32 = 0
  var depth: Int8 = 0
  var activity = Activity.idle
  /// Nested reasons why interrupts are off. Kernel: the flags of `local_irq_save()`, counted.
  package internal(set) var irqsOff: UInt8 = 0
  /// Something wants this CPU at its next step boundary: a latched vector, a due task switch.
  var attention: UInt8 = 0
  /// Vectors that have arrived and wait to be taken, one bit each.
  var latched: UInt8 = 0
  /// The function that runs, for accounting. Before the category: read together, they are the place
  /// in the accounts.
  package var path = PathName.idle
  var category = TimeCategory.idle
  /// What the step that is under way will answer.
  var answer = Answer.none
  package internal(set) var preemptCount = PreemptCount()
  var softirqs: UInt16 = 0
  /// How the allocation that answered last was served: `CallSites.Way`.
  var allocationWay: UInt8 = 0
  /// Why another task may have the CPU here, if none is counted why not: bits below.
  var yielding: UInt8 = 0
  /// Accounted up to here.
  var since = Instant.zero
  /// The steps of this CPU so far, hashed in order.
  var fingerprint = Fingerprint()
  /// In a turn: whose. The top frame says the same, but lies in another line of the host's cache.
  var turn = Turn.ID.none
  /// In a turn: the slot that the next one looks at first, for `prefetch`.
  var nextSlot: Int32 = -1
  /// How many locks the running context held at each call that has not returned, four bits each,
  /// the last one lowest: a function must return holding what it was called with.
  var heldAtCalls: UInt128 = 0
  // What is rarer. The record is two lines long, or the first would straddle.

  package internal(set) var current = TaskID.none
  var runFirst = TaskID.none
  var runLast = TaskID.none
  /// Device interrupts that have arrived, one bit a source.
  var deviceSources: UInt32 = 0
  /// When each IPI arrives next. One slot is exact: a vector on its way is not sent again.
  var arrivals = InlineArray<2, Instant>(repeating: .never)
  /// Interrupts taken, for /proc/interrupts. Kernel: `irq_call_count`, `irq_resched_count`.
  package internal(set) var callInterrupts: UInt32 = 0
  package internal(set) var rescheduleInterrupts: UInt32 = 0
  /// When the running task's turn ends; `never` where no other is ready.
  var sliceEnd = Instant.never
  private var padding = InlineArray<2, UInt64>(repeating: 0)
  package init() {}

  static let wantsInterrupt: UInt8 = 1
  static let wantsSwitch: UInt8 = 2
  /// At the next tick. Kernel: `TIF_NEED_RESCHED_LAZY`.
  static let wantsSwitchLater: UInt8 = 4
  /// The watchdog's thread wants to note that it can run.
  static let wantsStopper: UInt8 = 8

  /// The kernel may be preempted.
  static let isPreemptible: UInt8 = 1
  /// The task is in user mode.
  static let isInUser: UInt8 = 2
  /// At the step that comes: `cond_resched()`, `might_sleep()`.
  static let yieldsOnce: UInt8 = 4

  /// What a step's end is hashed as. Raw values are part of fingerprints.
  enum Mixed: UInt64 { case computes = 1, reads = 2, touches = 3 }

  @inline(__always) static func mixed(_ time: Instant, _ kind: Mixed) -> UInt64 {
    time.picoseconds << 4 | kind.rawValue
  }

  /// A task runs, and nothing wants the CPU at its next step boundary.
  @inline(__always) var isUndisturbedTask: Bool { depth == 0 && attention == 0 }
  var isComputing: Bool { activity == .computing || activity == .inTurn }
  var wantsSwitch: Bool { attention & CPU.wantsSwitch != 0 }
  @inline(__always) var mustTakeInterrupt: Bool {
    latched != 0 && (irqsOff == 0 || latched & CPU.nmi != 0 && !preemptCount.inNMI)
  }
  private static let nmi: UInt8 = 1 << IRQVector.nmi.rawValue
  /// Takes the vector that goes first: an NMI, else the lowest.
  mutating func takeVector() -> IRQVector {
    let isNMI = latched & CPU.nmi != 0 && !preemptCount.inNMI
    let bit = isNMI ? Int(IRQVector.nmi.rawValue) : latched.trailingZeroBitCount
    latched &= ~(1 << UInt8(bit))
    return IRQVector(rawValue: UInt8(bit)) ?? .device
  }
  var mustSwitch: Bool {
    attention & CPU.wantsSwitch != 0 && mayYield
  }
  /// Kernel: `preemptible()`, or a place where the model yields without it.
  var mayYield: Bool { maySleep && yielding != 0 }
  var nextArrival: Instant { min(arrivals[0], arrivals[1]) }
  /// Whether a task may sleep here. Kernel: the test of `__might_resched()`.
  package var maySleep: Bool { depth == 0 && irqsOff == 0 && !preemptCount.inAtomic }
}

/// One level of a CPU's context stack; what it says is true while something runs above it.
package struct Context: BitwiseCopyable {
  package enum Level: UInt8, BitwiseCopyable { case task, softirq, hardirq, nmi }
  /// What an interrupted context was at, and so how it goes on.
  enum Pause: BitwiseCopyable {
    /// Computing, with so much left to do.
    case computing(left: Duration)
    /// Spinning; its place in any queue is kept.
    case parked(Activity)
    /// What it spun for came, or comes, at this time.
    case ready(at: Instant)
    /// At a step boundary, with the held step still to perform.
    case asking
    case idle
  }
  package var level = Level.task
  var pause = Pause.idle
  /// The accounting of the paused context.
  var category = TimeCategory.idle
  var path = PathName.idle
  var held = Step.condResched
  /// Frames below this context end here, and its top frame while it is covered.
  var base: Int32 = 0
  var top: Int32 = 0
  var heldAtCalls: UInt128 = 0
  /// Since when it waits for a lock.
  var waitingSince = Instant.zero
  /// Spins where it would sleep, since it must not; the complaint was made.
  var polls = false
  /// It was said that it should have slept where it must not.
  var saidAwake = false
}

extension CPUID {
  /// Two leaves a CPU; at one time an interrupt goes before the program.
  @inline(__always) var interruptLeaf: Int { index &* 2 }
  @inline(__always) var programLeaf: Int { index &* 2 &+ 1 }
  @inline(__always) func context(_ depth: Int8) -> ContextID {
    ContextID(index &* CPU.contextsMax &+ Int(depth))
  }
}

extension ContextID {
  @inline(__always) package var cpu: CPUID { CPUID(index / CPU.contextsMax) }
  @inline(__always) var depth: Int8 { Int8(truncatingIfNeeded: index % CPU.contextsMax) }
}
