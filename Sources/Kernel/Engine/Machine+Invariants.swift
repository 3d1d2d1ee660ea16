import Hardware
import Simulation

/// What must hold between any two events, of every structure of the machine.
///
/// Paths may be stopped anywhere, so what is in nobody's list for a while is allowed for.
extension Machine {
  /// Walks every data structure. Returns: the first contradiction, in words.
  ///
  /// Slow: for tests and `--check-invariants`. Complexity: O(state).
  package func checkInvariants() -> String? {
    do throws(BrokenInvariant) {
      try queue.checkInvariants()
      try loose.checkInvariants()
      try checkCPUs()
      try checkTasks()
      try world.locks.checkInvariants(world.tasks)
      try world.lines.checkInvariants(cpuCount: cpuCount)
      try world.calls.checkInvariants()
      try world.work.checkInvariants()
      try world.rcu.checkInvariants()
      try world.kfreeRCU.checkInvariants()
      try world.program.checkInvariants()
      try world.tlbs.checkInvariants()
      if let fault = world.pages.checkInvariants() { throw BrokenInvariant("pages: \(fault)") }
      try world.slab.checkInvariants()
      try world.vmalloc.checkInvariants()
      return nil
    } catch { return error.description }
  }

  /// What a CPU is at, its masks and stacks, and its leaves of the queue.
  private func checkCPUs() throws(BrokenInvariant) {
    for index in 0..<cpuCount {
      let (cpu, record) = (CPUID(index), world.cpus[index])
      let name = "CPU \(index)"
      try ensure(
        record.depth >= 0 && Int(record.depth) < CPU.contextsMax, "\(name): \(record.depth) deep")
      try ensure(record.top >= record.base, "\(name): its stack is below its base")
      try ensure(
        queue.time(of: cpu.interruptLeaf) == record.nextArrival,
        "\(name): its next interrupt is not the queue's")
      let isParked = [.idle, .queuedForLock, .awaitingSignal].contains(record.activity)
      let due = queue.time(of: cpu.programLeaf)
      try ensure(
        isParked == (due == .never), "\(name): \(record.activity), and next due at \(due)")
      try ensure(due >= now, "\(name): left behind at \(due)")
      try ensure(
        record.latched == 0 || record.attention & CPU.wantsInterrupt != 0,
        "\(name): a vector waits, and nobody looks")
    }
  }

  /// A task that is ready is in its CPU's run queue, once; one that runs is its CPU's.
  private func checkTasks() throws(BrokenInvariant) {
    try world.tasks.all.checkInvariants("tasks")
    var isQueued = Buffer<UInt8>(max(world.tasks.all.highWater, 1), 0)
    for index in 0..<cpuCount {
      var (task, last) = (world.cpus[index].runFirst, TaskID.none)
      while !task.isNone {
        try ensure(isQueued[task.index] == 0, "task \(task.index): in a run queue twice")
        isQueued[task.index] = 1
        let record = world.tasks.all[task]
        try ensure(
          record.state == .ready && record.cpu.index == index,
          "task \(task.index): \(record.state), in the run queue of CPU \(index)")
        (last, task) = (task, record.next)
      }
      try ensure(last == world.cpus[index].runLast, "run queue of CPU \(index): ends elsewhere")
    }
    for index in 0..<world.tasks.all.highWater {
      let record = world.tasks.all[TaskID(index)]
      guard !record.cpu.isNone else { continue }
      let isCurrent = world.cpus[record.cpu].current == TaskID(index)
      try ensure(
        (record.state == .ready) == (isQueued[index] == 1)
          && (record.state == .running) == isCurrent,
        "task \(index): \(record.state), queued \(isQueued[index]), running \(isCurrent)")
    }
  }
}
