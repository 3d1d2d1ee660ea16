import Hardware
import Simulation

/// What a path may ask of the machine. The machine prices and performs; paths never schedule.
///
/// To add a step: a case here, and its line in `Machine.perform` with the function that does it.
package enum Step: BitwiseCopyable {
  /// Computes: `times` pieces of a priced kind of work. Interrupts are taken in the middle.
  case work(Work, times: Int32 = 1)
  /// Computes, and promises that the path reads nothing that another CPU may write until its next
  /// step: the machine may then go on at once, ahead of its queue.
  case ahead(Work, times: Int32 = 1)
  /// Waits for lines that only two CPUs in turn write, with the promise of `ahead`.
  case elapse(Duration)
  /// Computes for a length of time that a workload chose.
  case run(Duration)
  /// Lets the queue catch up with a CPU that ran ahead. Takes no time.
  case sync
  /// Brings a cache line here for writing; the path goes on when it has come. Indivisible.
  case touch(LineID)
  /// Brings a cache line here for reading. Indivisible.
  case read(LineID)
  /// Takes a lock, in FIFO order, spinning with interrupts as `irqs` says; a mutex sleeps.
  case acquire(LockID, irqs: IRQs = .kept)
  /// Takes a lock if it is free: `reply.bool` says whether.
  case tryAcquire(LockID, irqs: IRQs = .kept)
  /// Gives a lock up, and hands it to the first waiter.
  case release(LockID, irqs: IRQs = .kept)
  /// Takes a lock together with other readers.
  case acquireShared(LockID, irqs: IRQs = .kept)
  case releaseShared(LockID, irqs: IRQs = .kept)
  /// Masks interrupts, bottom halves or preemption; nested, so counted.
  case disable(Mask)
  case enable(Mask)
  /// Interrupts those who need it for this CPU's request, with interrupts off.
  case sendCalls
  /// Spins, interrupts as they are, until a `signal` comes. Check the condition before and after.
  case awaitSignal
  /// Ends the `awaitSignal` of a CPU's task, if it is in one; the news travels as a cache line.
  case signal(CPUID)
  /// Marks a softirq pending on this CPU; it runs when the hardirq or the BH-off section ends.
  case raise(SoftIRQ)
  /// Queues a work item for the kworker of a CPU. `reply.bool`: false when it was pending already.
  case queueWork(WorkItem, on: CPUID)
  /// Sleeps until a `wake`. Check the condition before and after. A violation in atomic context.
  case block
  /// Sleeps for a time.
  case sleep(Duration)
  /// Makes a sleeping task ready; remembered if it is not asleep yet.
  case wake(TaskID)
  /// Has a tick come at a time, to the CPUs that wait for one. Takes no time.
  case alarm(Instant)
  /// Lets another task run if one is due. Kernel: `cond_resched()`.
  case condResched
  /// Calls a kernel function; its reply comes with the next step.
  case call(Frame)
  /// Calls a function that has run ahead already, as far as `RunAhead.firstStep`, the next to
  /// perform.
  case enter(Frame)
  /// Returns from a kernel function; at the bottom frame, from the context.
  case `return`(Reply = .none)
}

/// What taking a lock masks. Kernel: `spin_lock()`, `spin_lock_irqsave()`, `spin_lock_bh()`.
package enum IRQs: BitwiseCopyable { case kept, off, bottomHalvesOff }

/// What `disable` and `enable` speak of.
///
/// `migration` is preemption, but with PREEMPT_RT only that the task stays on its CPU, as it does here.
package enum Mask: BitwiseCopyable { case irqs, bottomHalves, preemption, migration }

/// A hardware interrupt. Its handler is a frame like any other.
package enum IRQVector: UInt8, BitwiseCopyable {
  case callFunction, reschedule, device, timer, nmi
}

/// What answers a step: the value a called function returned, nothing after any other.
///
/// It carries the type of its value, and a debug build checks that it is read as that type.
package struct Reply: BitwiseCopyable, Equatable {
  package enum Tag: UInt8, BitwiseCopyable {
    case none, bool, address, pfn, pages, slab, number
  }
  /// For tracing: whoever waits for the reply reads it by its type.
  let bits: UInt64
  let tag: Tag

  @inline(__always) private init(_ tag: Tag, _ bits: UInt64) { (self.tag, self.bits) = (tag, bits) }

  package static var none: Reply { Reply(.none, 0) }
  package static func bool(_ value: Bool) -> Reply { Reply(.bool, value ? 1 : 0) }
  package static func address(_ value: Address) -> Reply { Reply(.address, value.raw) }
  package static func pfn(_ value: PFN) -> Reply { Reply(.pfn, pack(value.index)) }
  package static func number(_ value: Int) -> Reply {
    Reply(.number, UInt64(bitPattern: Int64(value)))
  }
  package static func slab(_ id: ID<Slab>) -> Reply { Reply(.slab, pack(id.index)) }
  /// A slab and the first of the free objects that its taker got with it.
  package static func slab(_ id: ID<Slab>, freelist: UInt16) -> Reply {
    Reply(.slab, pack(id.index) | UInt64(freelist) << 32)
  }
  /// A chain of `count` pages that begins at `first`.
  package static func pages(first: PFN, count: Int) -> Reply {
    Reply(.pages, pack(first.index) | UInt64(UInt32(count)) << 32)
  }

  package var bool: Bool { read(.bool) != 0 }
  package var address: Address { Address(read(.address)) }
  package var pfn: PFN { PFN(unpack(read(.pfn))) }
  package var number: Int { Int(Int64(bitPattern: read(.number))) }
  package var slab: ID<Slab> { ID(unpack(read(.slab))) }
  package var freelist: UInt16 { UInt16(truncatingIfNeeded: read(.slab) >> 32) }
  package var pages: (first: PFN, count: Int) {
    let bits = read(.pages)
    return (PFN(unpack(bits)), Int(bits >> 32))
  }

  @inline(__always) private func read(_ wanted: Tag) -> UInt64 {
    assert(tag == wanted, "a reply of type \(tag) is read as \(wanted)")
    return bits
  }
}

@inline(__always) private func pack(_ index: Int) -> UInt64 {
  UInt64(UInt32(bitPattern: Int32(truncatingIfNeeded: index)))
}
@inline(__always) private func unpack(_ bits: UInt64) -> Int {
  Int(Int32(truncatingIfNeeded: bits))
}
