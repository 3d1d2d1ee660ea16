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

  /// Whether it concerns only some CPUs: `World.concerns`.
  var isSelective: Bool { if case .flushCPUSlab = self { true } else { false } }

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
}

/// The queues of calls to run on other CPUs: one for each target (`call_single_queue`), and before
/// 3.9 one for all (`call_function`), in which an initiator's call stands once (kernel/smp.c, 3.0,
/// 6.12).
///
/// Mechanism: it knows queues and counts. Invariant: an initiator's `outstanding` is the number of
/// its calls that are queued or running. A csd belongs to a pair of CPUs, so that its line is at the
/// target when the initiator fills it again, and the other way round; calls here come from a pool
/// and have no line: `World.csdTransfer` is its price.
package struct CallQueues: ~Copyable {
  struct Queue: BitwiseCopyable {
    var first = CallID.none
    var last = CallID.none
    let line: LineID
    /// Taken for each change, where the release has one.
    let lock: LockID
  }
  /// What a CPU asks of the others. Preemption is off while it does, so it asks one thing a time.
  struct Request: BitwiseCopyable {
    var function = CallFunction.nothing
    var outstanding: Int32 = 0
    /// Targets in all.
    var asked: Int32 = 0
    /// Targets that need an interrupt.
    var interrupts: Int32 = 0
    var since = Instant.zero
    /// When the last interrupt was sent.
    var sent = Instant.zero
    /// The first of the numbers of its arrows in a timeline: one for each CPU.
    var arrows: UInt64 = 0
    /// Who answered last.
    var slowest = CallAnswer()
    /// Its neighbours in the global queue.
    var next = CPUID.none
    var previous = CPUID.none
  }
  var calls: Pool<CallSingleData>
  private var queues: Buffer<Queue>
  var requests: Buffer<Request>
  /// How the calls that a CPU was last interrupted for came in.
  var answers: Buffer<CallAnswer>
  /// For each initiator and cluster of 16 CPUs, whom an interrupt must be sent.
  private var masks: Buffer<UInt16>
  /// The same, who has not run its part of a call in the global queue. Kernel: `cpumask` of
  /// `struct call_function_data` (kernel/smp.c, 3.0).
  private var unanswered: Buffer<UInt16>
  /// The line of each initiator's call in the global queue.
  private var dataLines: Buffer<LineID>
  var globalFirst: CPUID
  let globalLock: LockID
  /// Whose call is under way, where there is one at a time.
  var current: CPUID
  let clusterCount: Int
  private var arrows: UInt64
  /// The calls that took longest, the longest first.
  package internal(set) var slow: Buffer<Shootdown>

  init(
    cpuCount: Int, _ rules: CallRules, _ locks: inout Locks, lines: inout CacheLines,
    nodeOf: (CPUID) -> Int
  ) {
    clusterCount = (cpuCount + 15) / 16
    calls = Pool(capacity: 64, blank: CallSingleData())
    queues = Buffer(cpuCount, Queue(line: .none, lock: .none))
    let isGlobal = rules.queue == .global || rules.queue == .oneCall
    dataLines = Buffer(isGlobal ? cpuCount : 0, .none)
    for cpu in 0..<cpuCount {
      let node = nodeOf(CPUID(cpu))
      if rules.queue == .lockless {
        queues[cpu] = Queue(line: lines.make(node: node), lock: .none)
      } else if rules.queue != .oneCall {
        let lock = locks.make(
          .callQueue, name: "call_single_queue \(cpu)", lines: &lines, node: node)
        queues[cpu] = Queue(line: .none, lock: lock)
      }
      if isGlobal { dataLines[cpu] = lines.make(node: node) }
    }
    requests = Buffer(cpuCount, Request())
    answers = Buffer(cpuCount, CallAnswer())
    masks = Buffer.zeroed(cpuCount * clusterCount)
    unanswered = Buffer.zeroed(isGlobal ? cpuCount * clusterCount : 0)
    globalLock =
      switch rules.queue {
      case .oneCall: locks.make(.callLock, name: "call_lock", lines: &lines)
      case .global: locks.make(.callFunction, name: "call_function.lock", lines: &lines)
      default: .none
      }
    (globalFirst, current) = (.none, .none)
    arrows = 0
    slow = Buffer(Shootdown.kept, Shootdown())
  }

  private init(cloning other: borrowing CallQueues) {
    calls = other.calls.clone()
    queues = other.queues.clone()
    requests = other.requests.clone()
    answers = other.answers.clone()
    masks = other.masks.clone()
    unanswered = other.unanswered.clone()
    dataLines = other.dataLines.clone()
    slow = other.slow.clone()
    (globalFirst, globalLock) = (other.globalFirst, other.globalLock)
    (clusterCount, arrows, current) = (other.clusterCount, other.arrows, other.current)
  }
  func clone() -> CallQueues { CallQueues(cloning: self) }

  /// Unit: bytes of the host.
  var byteCount: Int {
    calls.byteCount + queues.byteCount + requests.byteCount + answers.byteCount
      + masks.byteCount + unanswered.byteCount + dataLines.byteCount
  }

  func isDone(_ initiator: CPUID) -> Bool { requests[initiator.index].outstanding == 0 }
  func line(of cpu: CPUID) -> LineID { queues[cpu.index].line }
  func lock(of cpu: CPUID) -> LockID { queues[cpu.index].lock }
  func dataLine(of initiator: CPUID) -> LineID { dataLines[initiator.index] }
  func hasOwn(_ cpu: CPUID) -> Bool { !queues[cpu.index].first.isNone }

  /// Begins a request of `cpu`.
  mutating func begin(_ function: CallFunction, of cpu: CPUID, at now: Instant) {
    var request = Request(function: function, since: now, arrows: arrows)
    // Who walks the global queue may stand on the place that this call had in it before.
    request.next = requests[cpu.index].next
    requests[cpu.index] = request
    arrows += UInt64(requests.count)
  }

  /// Queues a call for `target`, and notes an interrupt if it needs one.
  /// Returns: whether it does.
  mutating func push(from initiator: CPUID, to target: CPUID, sparesPending: Bool) -> Bool {
    let call = calls.take(CallSingleData(initiator: initiator))
    requests[initiator.index].outstanding += 1
    requests[initiator.index].asked += 1
    let last = queues[target.index].last
    queues[target.index].last = call
    if last.isNone { queues[target.index].first = call } else { calls[last].next = call }
    guard last.isNone || !sparesPending else { return false }
    noteInterrupt(from: initiator, to: target)
    return true
  }

  private mutating func noteInterrupt(from initiator: CPUID, to target: CPUID) {
    requests[initiator.index].interrupts += 1
    masks[initiator.index * clusterCount + target.index / 16] |= 1 << UInt16(target.index % 16)
  }

  /// Notes that `target` has to run its part of a call that all targets share.
  mutating func share(from initiator: CPUID, to target: CPUID) {
    requests[initiator.index].outstanding += 1
    requests[initiator.index].asked += 1
    noteInterrupt(from: initiator, to: target)
    unanswered[initiator.index * clusterCount + target.index / 16] |= 1 << UInt16(target.index % 16)
  }

  /// Puts the call of `initiator` first in the global queue.
  mutating func link(_ initiator: CPUID) {
    requests[initiator.index].next = globalFirst
    requests[initiator.index].previous = .none
    if !globalFirst.isNone { requests[globalFirst.index].previous = initiator }
    globalFirst = initiator
  }

  /// Takes it out; who stands on it still finds the next.
  mutating func unlink(_ initiator: CPUID) {
    let (next, previous) = (requests[initiator.index].next, requests[initiator.index].previous)
    if !next.isNone { requests[next.index].previous = previous }
    if !previous.isNone { requests[previous.index].next = next } else { globalFirst = next }
  }

  /// Whether `cpu` has still to run its part of the call of `initiator`.
  func owes(_ cpu: CPUID, to initiator: CPUID) -> Bool {
    unanswered[initiator.index * clusterCount + cpu.index / 16] >> UInt16(cpu.index % 16) & 1 == 1
  }

  /// Whom `initiator` must interrupt in `cluster`; the note is cleared.
  mutating func takeMask(_ initiator: CPUID, cluster: Int) -> UInt16 {
    let place = initiator.index * clusterCount + cluster
    let mask = masks[place]
    masks[place] = 0
    return mask
  }

  /// Empties the queue of `cpu`. Returns: its first call, from which `complete` leads on.
  mutating func takeAll(of cpu: CPUID) -> CallID {
    let first = queues[cpu.index].first
    (queues[cpu.index].first, queues[cpu.index].last) = (.none, .none)
    return first
  }

  /// Ends `call`, which ran on `cpu`. Returns: the next, and the initiator if this was its last.
  mutating func complete(
    _ call: CallID, on cpu: CPUID, at now: Instant
  ) -> (next: CallID, finished: CPUID?) {
    let (next, initiator) = (calls[call].next, calls[call].initiator)
    calls.give(call)
    return (next, answer(initiator, cpu, now) ? initiator : nil)
  }

  /// Ends the part of `cpu` in a call that all targets share. Returns: whether it was the last.
  mutating func completeShared(of initiator: CPUID, on cpu: CPUID, at now: Instant) -> Bool {
    unanswered[initiator.index * clusterCount + cpu.index / 16] &= ~(1 << UInt16(cpu.index % 16))
    return answer(initiator, cpu, now)
  }

  private mutating func answer(_ initiator: CPUID, _ cpu: CPUID, _ now: Instant) -> Bool {
    requests[initiator.index].outstanding -= 1
    guard requests[initiator.index].outstanding == 0 else { return false }
    requests[initiator.index].slowest = answers[cpu.index]
    requests[initiator.index].slowest.cpu = cpu
    requests[initiator.index].slowest.done = now
    return true
  }

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
}
