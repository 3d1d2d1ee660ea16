import Hardware
import Simulation

package typealias CallID = ID<CallSingleData>

/// A function that every CPU runs with interrupts off, and its argument.
///
/// To add one: a case and its frame in `frame`.
package enum CallFunction: BitwiseCopyable, Equatable {
  /// Does nothing but answer: a barrier, and tests of the calls themselves.
  case nothing
  /// Every TLB entry, and those of a few pages.
  case flushTLBAll
  case flushTLBRange(Address, pages: UInt32)
  /// SLAB's array of a cache.
  case drainArray(cache: UInt16)
  /// Slabs of the CPU, on CPUs that have any. To 5.14.
  case flushCPUSlab(cache: UInt16)

  /// Whether it flushes TLBs; all others are no TLB statistics.
  var isShootdown: Bool {
    switch self {
    case .flushCPUSlab, .drainArray: false
    default: true
    }
  }

  var frame: Frame {
    switch self {
    case .nothing: .script(Script(from: 0, to: 0))
    case .drainArray(let cache): .doDrain(.start(cache: cache))
    case .flushTLBAll: .doFlushTLBAll(.start)
    case .flushTLBRange(let address, let pages):
      .doKernelRangeFlush(.start(address, pages: pages))
    case .flushCPUSlab(let cache): .flushCPUSlab(.start(cache: cache))
    }
  }
}

/// One function call asked of another CPU. Kernel: `struct __call_single_data` (smp_types.h, 6.12).
package struct CallSingleData: BitwiseCopyable {
  var initiator = CPUID.none
  var next = CallID.none
  var line = LineID.none
  /// The number of its arrow in a timeline.
  var arrow: UInt64 = 0
}

/// The queues of calls to run on other CPUs. Kernel: `call_single_queue` (kernel/smp.c, 6.12).
///
/// Mechanism: it knows queues and counts. Invariant: an initiator's `outstanding` is the number of
/// its calls that are queued or running. Not modelled: a csd for each pair of CPUs; calls come
/// from a pool, each with its line.
package struct CallQueues: ~Copyable {
  struct Queue: BitwiseCopyable {
    var first = CallID.none
    var last = CallID.none
    let line: LineID
  }
  /// What a CPU asks of the others. Preemption is off while it does, so it asks one thing a time.
  struct Request: BitwiseCopyable {
    var function = CallFunction.nothing
    var outstanding: Int32 = 0
    /// Targets whose queue was empty, and so need an interrupt.
    var interrupts: Int32 = 0
    var since = Instant.zero
    /// Who answered last.
    var slowest = CPUID.none
  }
  var calls: Pool<CallSingleData>
  private var queues: Buffer<Queue>
  var requests: Buffer<Request>
  /// For each initiator and cluster of 16 CPUs, whom an interrupt must be sent.
  private var masks: Buffer<UInt16>
  let clusterCount: Int
  private var arrows: UInt64
  private var lineOfCall: Buffer<LineID>

  init(cpuCount: Int, lines: inout CacheLines, nodeOf: (CPUID) -> Int) {
    clusterCount = (cpuCount + 15) / 16
    calls = Pool(capacity: 64, blank: CallSingleData())
    queues = Buffer(cpuCount, Queue(line: .none))
    for cpu in 0..<cpuCount { queues[cpu] = Queue(line: lines.make(node: nodeOf(CPUID(cpu)))) }
    requests = Buffer(cpuCount, Request())
    masks = Buffer.zeroed(cpuCount * clusterCount)
    arrows = 0
    lineOfCall = Buffer(64, .none)
  }

  private init(cloning other: borrowing CallQueues) {
    calls = other.calls.clone()
    queues = other.queues.clone()
    requests = other.requests.clone()
    masks = other.masks.clone()
    lineOfCall = other.lineOfCall.clone()
    (clusterCount, arrows) = (other.clusterCount, other.arrows)
  }
  func clone() -> CallQueues { CallQueues(cloning: self) }

  /// Unit: bytes of the host.
  var byteCount: Int {
    calls.byteCount + queues.byteCount + requests.byteCount + masks.byteCount
  }

  func isDone(_ initiator: CPUID) -> Bool { requests[initiator.index].outstanding == 0 }
  func line(of cpu: CPUID) -> LineID { queues[cpu.index].line }

  /// Counts the calls that are queued. Complexity: O(calls + CPUs).
  func checkInvariants() throws(BrokenInvariant) {
    try calls.checkInvariants("calls")
    var queued = Buffer<Int32>(queues.count, 0)
    var seen = 0
    for cpu in 0..<queues.count {
      var (call, last) = (queues[cpu].first, CallID.none)
      while !call.isNone {
        seen += 1
        try ensure(seen <= calls.liveCount, "calls to CPU \(cpu): the queue leads nowhere")
        queued[calls[call].initiator.index] += 1
        (last, call) = (call, calls[call].next)
      }
      try ensure(last == queues[cpu].last, "calls to CPU \(cpu): the queue ends elsewhere")
    }
    for cpu in 0..<queues.count {
      let outstanding = requests[cpu].outstanding
      try ensure(
        queued[cpu] <= outstanding,
        "CPU \(cpu) waits for \(outstanding) calls, \(queued[cpu]) of its are queued")
    }
  }

  /// Takes a call to fill. Its line stays with the place, so a place used again is a warm line.
  mutating func reserve(_ lines: inout CacheLines) -> CallID {
    arrows += 1
    let call = calls.take(CallSingleData(arrow: arrows))
    while lineOfCall.count <= call.index { lineOfCall.grow(to: lineOfCall.count * 2, .none) }
    if lineOfCall[call.index].isNone { lineOfCall[call.index] = lines.make() }
    calls[call].line = lineOfCall[call.index]
    return call
  }

  /// Queues `call` for `target`, and notes an interrupt if the queue was empty: else one is due.
  /// Returns: whether it was.
  mutating func push(_ call: CallID, from initiator: CPUID, to target: CPUID) -> Bool {
    calls[call].initiator = initiator
    calls[call].next = .none
    requests[initiator.index].outstanding += 1
    let last = queues[target.index].last
    queues[target.index].last = call
    guard last.isNone else {
      calls[last].next = call
      return false
    }
    queues[target.index].first = call
    requests[initiator.index].interrupts += 1
    let place = initiator.index * clusterCount + target.index / 16
    masks[place] |= 1 << UInt16(target.index % 16)
    return true
  }

  /// Whom `initiator` must interrupt in `cluster`; the note is cleared.
  mutating func takeMask(_ initiator: CPUID, cluster: Int) -> UInt16 {
    let place = initiator.index * clusterCount + cluster
    let mask = masks[place]
    masks[place] = 0
    return mask
  }

  /// Forgets whom to interrupt: one write told them all.
  mutating func clearMasks(_ initiator: CPUID) {
    for cluster in 0..<clusterCount { masks[initiator.index * clusterCount + cluster] = 0 }
  }

  /// Empties the queue of `cpu`. Returns: its first call, from which `complete` leads on.
  mutating func takeAll(of cpu: CPUID) -> CallID {
    let first = queues[cpu.index].first
    (queues[cpu.index].first, queues[cpu.index].last) = (.none, .none)
    return first
  }

  /// Ends `call`, which ran on `cpu`. Returns: the next, and the initiator if this was its last.
  mutating func complete(_ call: CallID, on cpu: CPUID) -> (next: CallID, finished: CPUID?) {
    let (next, initiator) = (calls[call].next, calls[call].initiator)
    calls.give(call)
    requests[initiator.index].outstanding -= 1
    requests[initiator.index].slowest = cpu
    return (next, requests[initiator.index].outstanding == 0 ? initiator : nil)
  }
}
