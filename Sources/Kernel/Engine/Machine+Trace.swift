import Hardware
import Simulation

/// What the engine itself shows in a timeline: functions as slices with their arguments and what
/// they return, locks. Called only while the probe is on.
extension World {
  @inline(never)
  mutating func traceCall(of frame: Frame, on cpu: CPUID) {
    let name = frame.name
    guard name.isTraced else { return }
    let head = traceHead(TraceNames.index(of: name), on: cpu)
    switch frame {
    case .allocPages(.start(let order, let gfp, let node)):
      tracePages(head, order, gfp, node, on: cpu)
    case .freePages(.start(_, let order)):
      trace(.pathBeginOrder, on: cpu, a: head, b: UInt64(order.index) | 0xFFFF << 32)
    case .vmalloc(.start(let pages, _, _, _, _)):
      trace(.pathBeginSize, on: cpu, a: head, b: UInt64(pages) << 12)
    case .kmallocLarge(.start(let size, _, _)):
      trace(.pathBeginSize, on: cpu, a: head, b: UInt64(size))
    case .kvmalloc(.start(let bytes, _, _)), .kmallocArray(.start(let bytes, _, _)):
      trace(.pathBeginSize, on: cpu, a: head, b: bytes)
    case .vfree(.start(let address)), .kvfree(.start(let address)),
      .vfreeAtomic(.start(let address)),
      .removeVMArea(.start(let address)):
      trace(.pathBeginAddress, on: cpu, a: head, b: address.raw)
    case .flushTLBKernelRange(.start(let address, let pages)):
      trace(.pathBeginRange, on: cpu, a: head, b: address.raw, c: UInt64(pages))
    case .doKernelRangeFlush(.start(let address, let pages)):
      trace(.pathBeginRange, on: cpu, a: head, b: address.raw, c: UInt64(pages))
    case .touch(.start(let address, let bytes, _)):
      trace(.pathBeginRange, on: cpu, a: head, b: address.raw, c: (UInt64(bytes) + 4095) >> 12)
    default: trace(.pathBegin, on: cpu, a: head)
    }
  }

  private mutating func tracePages(
    _ head: UInt64, _ order: Order, _ gfp: GFPFlags, _ node: NodeID, on cpu: CPUID
  ) {
    let number = node == .any ? 0xFFFF : UInt64(node.raw)
    trace(
      .pathBeginOrder, on: cpu, a: head, b: UInt64(order.index) | number << 32,
      c: UInt64(gfp.rawValue))
  }

  @inline(never)
  mutating func traceReturn(from name: PathName, _ reply: Reply, on cpu: CPUID) {
    guard name.isTraced else { return }
    let head = traceHead(TraceNames.index(of: name), on: cpu)
    switch reply.tag {
    case .none, .slab: trace(.pathEnd, on: cpu, a: head)
    case .bool, .number: trace(.pathEndNumber, on: cpu, a: head, b: reply.bits)
    case .address: trace(.pathEndAddress, on: cpu, a: head, b: reply.bits)
    case .pages: trace(.pathEndNumber, on: cpu, a: head, b: reply.bits >> 32)
    case .pfn:
      let pfn = Int64(Int32(truncatingIfNeeded: reply.bits))
      trace(.pathEndPage, on: cpu, a: head, b: UInt64(bitPattern: pfn))
    }
  }

  /// A name, and whose row it is in: the task's that runs or is interrupted.
  @inline(__always)
  private func traceHead(_ name: UInt64, on cpu: CPUID) -> UInt64 {
    name | UInt64(UInt32(truncatingIfNeeded: cpus[cpu].current.index + 1)) << 32
  }
}

/// Locks: a hold has the lock's row, a wait the waiter's.
extension Machine {
  mutating func traceHold(_ event: TraceEvent, _ lock: LockID, _ cpu: CPUID, at time: Instant) {
    let name = TraceNames.index(of: world.locks.locks[lock].name)
    world.probe.note(
      event.rawValue, at: time, cpu: cpu.index, a: name | UInt64(lock.index) << 32)
  }

  /// Says who has the lock: the CPU, and the task there, which an interrupt may cover.
  ///
  /// - Parameter waiter: the context that spins or, beyond all contexts, the task that sleeps.
  mutating func traceWait(
    _ event: TraceEvent, _ lock: LockID, _ cpu: CPUID, waiter: Int, at time: Instant
  ) {
    let record = world.locks.locks[lock]
    let holder = record.holder.isNone ? -1 : record.holder.cpu.index
    var task = record.holderTask
    if task.isNone, holder >= 0 { task = world.cpus[CPUID(holder)].current }
    let pid = task.isNone ? 0 : world.tasks.all[task].pid
    world.probe.note(
      event.rawValue, at: time, cpu: cpu.index,
      a: TraceNames.index(of: record.name) | UInt64(waiter) << 32,
      b: UInt64(bitPattern: Int64(holder)), c: UInt64(UInt32(pid)))
  }

  /// The outermost of nested reasons for interrupts to be off begins or ends.
  @inline(never)
  mutating func traceIRQs(_ event: TraceEvent, on cpu: CPUID) {
    let name = TraceNames.index(of: world.cpus[cpu].path)
    world.probe.note(event.rawValue, at: now, cpu: cpu.index, a: name)
  }

  func waiter(_ task: TaskID) -> Int { contexts.count + task.index }

  /// A task is made ready by a step of `cpu`, or by a timer of its own CPU.
  mutating func traceWakeup(of task: TaskID, on cpu: CPUID) {
    guard world.probe.isOn else { return }
    let (pid, target) = (world.tasks.all[task].pid, world.tasks.all[task].cpu)
    for event in [TraceEvent.schedWaking, .schedWakeup] {
      world.trace(event, on: cpu, a: UInt64(UInt32(pid)), b: UInt64(target.index))
    }
  }
}

/// The strings that probe records index: paths first, then locks and what else has a name.
package enum TraceNames {
  static func index(of path: PathName) -> UInt64 { UInt64(path.rawValue) }
  static func index(of lock: Int32) -> UInt64 { UInt64(lock) + UInt64(PathName.allCases.count) }

  /// How many there are by now.
  package static func count(of world: borrowing World) -> Int {
    PathName.allCases.count + world.locks.names.all.count
  }

  /// Every string of a run so far, in the order of their numbers.
  package static func all(of world: borrowing World) -> [String] {
    PathName.allCases.map(\.text) + world.locks.names.all
  }
}
