import Simulation

package typealias TaskID = ID<Task>

/// A thread of the kernel or of the workload, bound to one CPU, with a stack of frames of its own.
///
/// Kernel: `struct task_struct`. Not modelled: migration, priorities.
package struct Task: BitwiseCopyable {
  package enum State: UInt8, BitwiseCopyable { case ready, running, blocked, done }
  /// Frames of a task's stack.
  static let framesMax = 28

  package let cpu: CPUID
  /// An index into the machine's task names.
  package let name: Int32
  package let pid: Int32
  package let isKernelThread: Bool
  package var state = State.ready
  /// A `wake` came before the `block`.
  var wakeIsPending = false
  /// It sleeps in a mutex's queue: only the mutex wakes it, as `__mutex_lock()` sleeps again after
  /// any other wake-up.
  var awaitsMutex = false
  /// What it waits for, spinning or asleep, or was given and has not seen yet; and whether it still
  /// waits, stands in the lock's list, wants it with other readers.
  var awaits = LockID.none
  var waits = false
  var isListed = false
  var reads = false
  /// The next in that list.
  var nextWaiter = TaskID.none
  /// What it begins with when it first runs.
  let entry: Frame
  var hasRun = false
  /// Every other task gives way to it. Kernel: `stop_sched_class`.
  var isUrgent = false
  /// Which kworker it is.
  var worker = WorkerID.none
  /// What it was at when it left the CPU.
  var context = Context()
  var preemptCount = PreemptCount()
  var isInUser = false
  /// The locks it holds while it is off its CPU: mutexes and semaphores.
  static let heldMax = 8
  var held = InlineArray<8, LockID>(repeating: .none)
  var heldCount: UInt8 = 0
  /// The next in a run queue.
  var next = TaskID.none
  var waitingSince = Instant.zero
  var readySince = Instant.zero
}

/// All tasks, and the run queue of each CPU (its ends are in `CPU`).
package struct Tasks: ~Copyable {
  package var all: Pool<Task>
  /// The kthreads that a CPU gets when it first needs them.
  var ksoftirqds: Buffer<TaskID>
  /// Threads of devices' interrupts, `irqThreadsMax` a CPU, and which of them have something to do.
  var irqThreads: Buffer<TaskID>
  var threadedIRQs: Buffer<UInt32>
  static let irqThreadsMax = 32
  /// How long tasks that were ready waited for their CPU.
  package internal(set) var waits: UInt64
  package internal(set) var waitTotal: Duration
  package internal(set) var waitMax: Duration
  package private(set) var names: [String]
  private var nextPID: Int32

  init(cpuCount: Int, threadsIRQs: Bool) {
    let blank = Task(
      cpu: .none, name: 0, pid: 0, isKernelThread: true, entry: .script(Script(from: 0, to: 0)))
    all = Pool(capacity: 64, blank: blank)
    ksoftirqds = Buffer(cpuCount, .none)
    irqThreads = Buffer(threadsIRQs ? cpuCount * Tasks.irqThreadsMax : 0, .none)
    threadedIRQs = Buffer(cpuCount, 0)
    (waits, waitTotal, waitMax) = (0, .zero, .zero)
    names = []
    nextPID = 1
  }

  private init(cloning other: borrowing Tasks) {
    all = other.all.clone()
    ksoftirqds = other.ksoftirqds.clone()
    irqThreads = other.irqThreads.clone()
    threadedIRQs = other.threadedIRQs.clone()
    (waits, waitTotal, waitMax) = (other.waits, other.waitTotal, other.waitMax)
    names = other.names
    nextPID = other.nextPID
  }
  func clone() -> Tasks { Tasks(cloning: self) }

  /// A new sleeping task; `wake` it.
  package mutating func make(
    _ name: String, on cpu: CPUID, isKernelThread: Bool, entry: Frame
  ) -> TaskID {
    names.append(name)
    defer { nextPID += 1 }
    var task = Task(
      cpu: cpu, name: Int32(names.count - 1), pid: nextPID, isKernelThread: isKernelThread,
      entry: entry)
    task.state = .blocked
    return all.take(task)
  }

  /// Unit: bytes of the host.
  var byteCount: Int {
    all.byteCount + ksoftirqds.byteCount + irqThreads.byteCount + threadedIRQs.byteCount
  }

  /// A task that was ready gets its CPU.
  mutating func noteRun(_ task: TaskID, at now: Instant) {
    let length = now - all[task].readySince
    waits += 1
    waitTotal += length
    waitMax = max(waitMax, length)
  }
  mutating func resetStatistics() { (waits, waitTotal, waitMax) = (0, .zero, .zero) }

  package func name(of task: TaskID) -> String {
    task.isNone ? "idle" : names[Int(all[task].name)]
  }
}
