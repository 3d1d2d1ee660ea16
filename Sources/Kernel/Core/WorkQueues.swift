import Simulation

/// A function to run later in a kworker, and its argument.
///
/// To add one: a case and its frame in `frame`.
package enum WorkItem: BitwiseCopyable, Equatable {
  /// Does nothing; for tests of the queue itself.
  case nothing
  case flushCPUSlab(cache: UInt16)
  case drainVmapArea, delayedVfree
  case purgeVmapNode(VmapNodeID)
  case freeKernelTables
  case kfreeRCUMonitor, fillPageCache
  case kfreeRCU(batch: UInt8)
  /// One of the workload's own: its place in `Program.deferred`.
  case workload(UInt16)

  var frame: Frame {
    switch self {
    case .nothing: .script(Script(from: 0, to: 0))
    case .flushCPUSlab(let cache): .flushCPUSlab(.start(cache: cache))
    case .drainVmapArea: .drainVmapWork(.start)
    case .delayedVfree: .delayedVfreeWork(.start)
    case .freeKernelTables: .freeKernelTables(.start)
    case .kfreeRCUMonitor: .kfreeRCUMonitor(.start)
    case .fillPageCache: .fillPageCache(.start)
    case .kfreeRCU(let batch): .kfreeRCUWork(.start(batch))
    case .purgeVmapNode(let node): .purgeVmapNode(.start(node))
    case .workload(let index): .program(.deferred(index))
    }
  }
}

package typealias WorkerID = ID<WorkQueues.Worker>

/// The work items of each CPU, and the kworkers that run them.
///
/// One worker of a CPU runs at a time. When it sleeps in the middle of an item and more items wait,
/// an idle worker takes the next, or a new one; when it wakes up again, two run until one has ended
/// its item. Up to 2.6.35 there is one worker a CPU, and items wait behind it while it sleeps.
///
/// Kernel: kernel/workqueue.c (6.12), `struct worker_pool`. Mechanism: queues and counts; no task,
/// no time. Invariants:
/// 1. an item is queued at most once a CPU, and no two workers of a CPU run the same;
/// 2. `running` counts the workers of a CPU that run and do not sleep.
/// Not modelled: unbound pools, high-priority pools, rescuers, idle workers that end after 5 minutes.
package struct WorkQueues: ~Copyable {
  struct Entry: BitwiseCopyable {
    var item = WorkItem.nothing
    var next = ID<Entry>.none
  }
  package struct Worker: BitwiseCopyable {
    var task = TaskID.none
    var item = WorkItem.nothing
    var isBusy = false
    /// It is one of `running`.
    var isCounted = false
    var isIdle = false
    var nextIdle = WorkerID.none
    /// The next of its CPU.
    var sibling = WorkerID.none
  }
  struct Queue: BitwiseCopyable {
    var first = ID<Entry>.none
    var last = ID<Entry>.none
    /// Kernel: `nr_running`.
    var running: Int32 = 0
    var busy: Int32 = 0
    var workerCount: Int32 = 0
    var firstWorker = WorkerID.none
    /// The one that idles since last comes first. Kernel: `idle_list`.
    var firstIdle = WorkerID.none
  }
  struct Waiter: BitwiseCopyable {
    var item = WorkItem.nothing
    var cpu = CPUID.none
    var task = TaskID.none
    var next = ID<Waiter>.none
  }
  var queues: Buffer<Queue>
  var workers: Pool<Worker>
  var entries: Pool<Entry>
  var waiters: Pool<Waiter>
  var firstWaiter: ID<Waiter>

  init(cpuCount: Int) {
    queues = Buffer(cpuCount, Queue())
    workers = Pool(capacity: 16, blank: Worker())
    entries = Pool(capacity: 16, blank: Entry())
    waiters = Pool(capacity: 16, blank: Waiter())
    firstWaiter = .none
  }

  private init(cloning other: borrowing WorkQueues) {
    queues = other.queues.clone()
    workers = other.workers.clone()
    entries = other.entries.clone()
    waiters = other.waiters.clone()
    firstWaiter = other.firstWaiter
  }
  func clone() -> WorkQueues { WorkQueues(cloning: self) }

  func isPending(_ item: WorkItem, on cpu: CPUID) -> Bool {
    var entry = queues[cpu.index].first
    while !entry.isNone {
      if entries[entry].item == item { return true }
      entry = entries[entry].next
    }
    return false
  }

  /// Whether the kworkers of a CPU have nothing to do.
  package func isIdle(on cpu: CPUID) -> Bool {
    queues[cpu.index].first.isNone && queues[cpu.index].busy == 0
  }

  /// Whether a worker of the CPU is at `item`. Kernel: `find_worker_executing_work()`.
  func isRunning(_ item: WorkItem, on cpu: CPUID) -> Bool {
    var worker = queues[cpu.index].firstWorker
    while !worker.isNone {
      if workers[worker].isBusy, workers[worker].item == item { return true }
      worker = workers[worker].sibling
    }
    return false
  }

  /// Whether it waits or runs: what `flush_work()` waits for.
  package func isBusy(_ item: WorkItem, on cpu: CPUID) -> Bool {
    isPending(item, on: cpu) || isRunning(item, on: cpu)
  }

  /// Walks all queues. Complexity: O(items + workers + CPUs).
  func checkInvariants() throws(BrokenInvariant) {
    try entries.checkInvariants("work items")
    try waiters.checkInvariants("waiters for work")
    var seen = 0
    for cpu in 0..<queues.count {
      var (entry, last) = (queues[cpu].first, ID<Entry>.none)
      while !entry.isNone, seen <= entries.liveCount {
        seen += 1
        (last, entry) = (entry, entries[entry].next)
      }
      try ensure(last == queues[cpu].last, "work of CPU \(cpu): the queue ends elsewhere")
      var (worker, counted) = (queues[cpu].firstWorker, Int32(0))
      while !worker.isNone {
        if workers[worker].isCounted { counted += 1 }
        worker = workers[worker].sibling
      }
      try ensure(
        counted == queues[cpu].running,
        "work of CPU \(cpu): \(queues[cpu].running) workers run, \(counted) say so")
    }
    try ensure(
      seen == entries.liveCount, "work: \(entries.liveCount) items counted, \(seen) queued")
  }

  /// Returns: false when the item was queued already.
  mutating func add(_ item: WorkItem, on cpu: CPUID) -> Bool {
    guard !isPending(item, on: cpu) else { return false }
    let entry = entries.take(Entry(item: item))
    let last = queues[cpu.index].last
    if last.isNone { queues[cpu.index].first = entry } else { entries[last].next = entry }
    queues[cpu.index].last = entry
    return true
  }

  /// Takes the first item that nobody is at. Kernel: `assign_work()`, which puts an item that is
  /// being run behind it.
  private mutating func take(on cpu: CPUID) -> WorkItem? {
    var (previous, entry) = (ID<Entry>.none, queues[cpu.index].first)
    while !entry.isNone, isRunning(entries[entry].item, on: cpu) {
      (previous, entry) = (entry, entries[entry].next)
    }
    guard !entry.isNone else { return nil }
    let (item, next) = (entries[entry].item, entries[entry].next)
    entries.give(entry)
    if previous.isNone { queues[cpu.index].first = next } else { entries[previous].next = next }
    if next.isNone { queues[cpu.index].last = previous }
    return item
  }

  // MARK: Workers

  mutating func addWorker(_ task: TaskID, on cpu: CPUID) -> WorkerID {
    let sibling = queues[cpu.index].firstWorker
    let worker = workers.take(Worker(task: task, sibling: sibling))
    queues[cpu.index].firstWorker = worker
    queues[cpu.index].workerCount += 1
    idle(worker, on: cpu)
    return worker
  }

  private mutating func idle(_ worker: WorkerID, on cpu: CPUID) {
    workers[worker].isIdle = true
    workers[worker].nextIdle = queues[cpu.index].firstIdle
    queues[cpu.index].firstIdle = worker
  }

  private mutating func leaveIdle(_ worker: WorkerID, on cpu: CPUID) {
    var (previous, idle) = (WorkerID.none, queues[cpu.index].firstIdle)
    while idle != worker { (previous, idle) = (idle, workers[idle].nextIdle) }
    let next = workers[worker].nextIdle
    if previous.isNone {
      queues[cpu.index].firstIdle = next
    } else {
      workers[previous].nextIdle = next
    }
    workers[worker].isIdle = false
  }

  private mutating func count(_ worker: WorkerID, on cpu: CPUID, _ isCounted: Bool) {
    guard workers[worker].isCounted != isCounted else { return }
    workers[worker].isCounted = isCounted
    queues[cpu.index].running += isCounted ? 1 : -1
  }

  /// Takes the next item for `worker` to run. Returns: nil where it has to idle: there is none, or
  /// another runs. Kernel: `keep_working()`.
  mutating func begin(_ worker: WorkerID, on cpu: CPUID) -> WorkItem? {
    if workers[worker].isIdle { leaveIdle(worker, on: cpu) }
    count(worker, on: cpu, true)
    guard queues[cpu.index].running <= 1, let item = take(on: cpu) else {
      count(worker, on: cpu, false)
      idle(worker, on: cpu)
      return nil
    }
    workers[worker].item = item
    workers[worker].isBusy = true
    queues[cpu.index].busy += 1
    return item
  }

  /// `worker` has run its item. Returns: which.
  mutating func end(_ worker: WorkerID, on cpu: CPUID) -> WorkItem {
    workers[worker].isBusy = false
    queues[cpu.index].busy -= 1
    return workers[worker].item
  }

  /// A worker sleeps in the middle of its item. Returns: whether another must take the next.
  /// Kernel: `wq_worker_sleeping()`.
  mutating func noteSleeping(_ worker: WorkerID, on cpu: CPUID) -> Bool {
    guard workers[worker].isBusy else { return false }
    count(worker, on: cpu, false)
    return queues[cpu.index].running == 0 && !queues[cpu.index].first.isNone
  }

  /// It runs again. Kernel: `wq_worker_running()`.
  mutating func noteRunning(_ worker: WorkerID, on cpu: CPUID) {
    if workers[worker].isBusy { count(worker, on: cpu, true) }
  }

  // MARK: Waiters

  mutating func wait(_ task: TaskID, for item: WorkItem, on cpu: CPUID) {
    firstWaiter = waiters.take(Waiter(item: item, cpu: cpu, task: task, next: firstWaiter))
  }

  /// Takes one task that waits for `item` of `cpu`.
  mutating func takeWaiter(for item: WorkItem, on cpu: CPUID) -> TaskID? {
    var (previous, waiter) = (ID<Waiter>.none, firstWaiter)
    while !waiter.isNone, waiters[waiter].item != item || waiters[waiter].cpu != cpu {
      (previous, waiter) = (waiter, waiters[waiter].next)
    }
    guard !waiter.isNone else { return nil }
    let (task, next) = (waiters[waiter].task, waiters[waiter].next)
    if previous.isNone { firstWaiter = next } else { waiters[previous].next = next }
    waiters.give(waiter)
    return task
  }
}
