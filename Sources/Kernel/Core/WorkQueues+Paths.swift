import Hardware

/// A kworker: runs one item after the other, and sleeps when there is none for it.
///
/// Kernel: `worker_thread()` → `process_one_work()` (kernel/workqueue.c, 6.12).
package enum WorkerThread: Path {
  case start(WorkerID)
  case ran(WorkerID)
  case wakingWaiters(WorkerID)

  package static var name: PathName { .worker_thread }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start(let worker):
      guard let item = world.work.begin(worker, on: cpu) else { return .block }
      return ask(.call(item.frame), then: .ran(worker))
    case .ran(let worker):
      _ = world.work.end(worker, on: cpu)
      return wakeWaiter(worker, &world, cpu)
    case .wakingWaiters(let worker): return wakeWaiter(worker, &world, cpu)
    }
  }

  private mutating func wakeWaiter(
    _ worker: WorkerID, _ world: inout World, _ cpu: CPUID
  ) -> Step {
    let item = world.work.workers[worker].item
    if !world.work.isBusy(item, on: cpu), let task = world.work.takeWaiter(for: item, on: cpu) {
      return ask(.wake(task), then: .wakingWaiters(worker))
    }
    return ask(.work(.workQueueOp), then: .start(worker))
  }
}

/// Waits until a work item neither waits nor runs. Kernel: `flush_work()` (6.12).
package enum FlushWork: Path {
  case start(WorkItem, on: CPUID)

  package static var name: PathName { .flush_work }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start(let item, let target):
      guard world.work.isBusy(item, on: target) else { return .return() }
      world.work.wait(world.cpus[cpu].current, for: item, on: target)
      return .block
    }
  }
}

extension World {
  /// The worker of `cpu` to wake for an item that was queued: an idle one, or a new one. Returns: nil
  /// where one runs, which will come to it. Kernel: `kick_pool()`, `maybe_create_worker()`.
  mutating func workerToKick(on cpu: CPUID) -> TaskID? {
    let queue = work.queues[cpu.index]
    if !version.scheduler.managesWorkers, !queue.firstWorker.isNone {
      // One that is at an item, asleep or not, comes to the next by itself.
      let worker = work.workers[queue.firstWorker]
      return worker.isBusy ? nil : worker.task
    }
    guard queue.running == 0 else { return nil }
    if !queue.firstIdle.isNone { return work.workers[queue.firstIdle].task }
    let entry = Frame.workerThread(.start(WorkerID(work.workers.highWater)))
    let task = tasks.make(
      "kworker/\(cpu.index):\(queue.workerCount)", on: cpu, isKernelThread: true, entry: entry)
    let worker = work.addWorker(task, on: cpu)
    precondition(worker.index == work.workers.highWater - 1, "workers are never given back")
    tasks.all[task].worker = worker
    return task
  }
}

extension Machine {
  mutating func queueWork(_ item: WorkItem, on target: CPUID, from cpu: CPUID) -> Reply? {
    guard world.work.add(item, on: target) else { return .bool(false) }
    world.counters.add(.workItems)
    guard let worker = world.workerToKick(on: target) else { return .bool(true) }
    world.cpus[cpu].answer = .yes
    guard let reply = wake(worker, from: cpu) else { return nil }
    world.cpus[cpu].answer = .none
    _ = reply
    return .bool(true)
  }
}
