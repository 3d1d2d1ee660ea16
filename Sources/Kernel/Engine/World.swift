import Hardware
import Simulation

/// All that paths read and change: the kernel's data structures, the hardware's and the
/// workload's. The queue of events and the contexts are the `Machine`'s.
package struct World: ~Copyable {
  package let layout: Layout
  package let version: KernelVersion
  package let architecture: Architecture
  package let cpuModel: CPUModel
  /// Kernel addresses are remembered twice, with and without a process's.
  let hasPTI: Bool
  package let config: KernelConfig
  let platform: Platform
  /// The time at which the running step happens.
  package internal(set) var now: Instant
  /// The time of the event that is being handled: behind `now` while a CPU runs ahead.
  package internal(set) var queueTime: Instant
  package internal(set) var cpus: Buffer<CPU>
  package var locks: Locks
  package var lines: CacheLines
  package var calls: CallQueues
  package var tasks: Tasks
  package var work: WorkQueues
  package var ticks: Ticks
  var stop: StopMachineState
  package var rcu: RCU
  package var kfreeRCU: KfreeRCU
  package var counters: Counters
  package var tlbs: TLBs
  package var vmalloc: VmallocState
  package var program: ProgramState
  package var shootdowns: ShootdownStatistics
  package var probe: Probe
  package var complaints: Complaints
  package var pages: PageAllocator
  package var slab: SlabAllocator
  package var scripts: Buffer<Step>
  package internal(set) var visit: Visit
  package internal(set) var accounting: Accounting
  var runAhead: RunAhead
  /// Set when the run cannot go on: a true deadlock.
  var isStopped: Bool
  /// A violation or warning waits for its context and path.
  var hasComplaint: Bool

  package init(_ boot: borrowing Boot, runsAhead: Bool = true) {
    layout = Layout(boot.machine, costs: boot.costs)
    (version, architecture, config) = (boot.version, boot.architecture, boot.config)
    platform = boot.platform
    (cpuModel, hasPTI) = (boot.cpu, boot.hasPTI)
    (now, queueTime) = (.zero, .zero)
    var cpu = CPU()
    cpu.yielding = boot.config.preemption.preemptsKernel ? CPU.isPreemptible : 0
    cpus = Buffer(boot.cpuCount, cpu)
    locks = Locks(
      contextCount: boot.cpuCount * CPU.contextsMax, boot.version.locks,
      on: boot.architecture.name, isRT: boot.config.preemption == .rt, seed: boot.seed)
    lines = CacheLines(costs: boot.costs)
    let machine = boot.machine
    calls = CallQueues(
      cpuCount: boot.cpuCount, boot.version.calls, &locks, lines: &lines
    ) { machine.cpus[$0.index].node }
    tasks = Tasks(cpuCount: boot.cpuCount, threadsIRQs: boot.config.preemption == .rt)
    work = WorkQueues(cpuCount: boot.cpuCount)
    ticks = Ticks(cpuCount: boot.cpuCount, hz: boot.config.hz)
    stop = StopMachineState(cpuCount: boot.cpuCount)
    rcu = RCU(cpuCount: boot.cpuCount)
    kfreeRCU = KfreeRCU(cpuCount: boot.cpuCount, boot.version.slab)
    counters = Counters()
    tlbs = TLBs(
      cpuCount: boot.cpuCount, pageShift: boot.architecture.pageShift, geometry: boot.cpu.tlb)
    program = ProgramState(cpuCount: boot.cpuCount)
    shootdowns = ShootdownStatistics()
    probe = Probe()
    complaints = Complaints()
    pages = PageAllocator(boot, layout, &locks, &lines)
    slab = SlabAllocator(boot, pages, &locks, &lines)
    vmalloc = VmallocState(boot, pages, &slab, &locks, &lines)
    scripts = Buffer(256, .return())
    visit = Visit()
    accounting = Accounting()
    runAhead = RunAhead(boot.costs, isOn: runsAhead)
    (isStopped, hasComplaint) = (false, false)
  }

  func clone() -> World { World(cloning: self) }
  private init(cloning other: borrowing World) {
    layout = other.layout.clone()
    (version, architecture, config) = (other.version, other.architecture, other.config)
    platform = other.platform
    (cpuModel, hasPTI) = (other.cpuModel, other.hasPTI)
    (now, queueTime) = (other.now, other.queueTime)
    cpus = other.cpus.clone()
    locks = other.locks.clone()
    lines = other.lines.clone()
    calls = other.calls.clone()
    tasks = other.tasks.clone()
    work = other.work.clone()
    ticks = other.ticks.clone()
    stop = other.stop.clone()
    rcu = other.rcu.clone()
    kfreeRCU = other.kfreeRCU.clone()
    counters = other.counters.clone()
    tlbs = other.tlbs.clone()
    vmalloc = other.vmalloc.clone()
    program = other.program.clone()
    shootdowns = other.shootdowns
    probe = other.probe.clone()
    complaints = other.complaints
    pages = other.pages.clone()
    slab = other.slab.clone()
    scripts = other.scripts.clone()
    visit = other.visit.clone()
    accounting = other.accounting.clone()
    runAhead = other.runAhead.clone()
    (isStopped, hasComplaint) = (other.isStopped, other.hasComplaint)
  }
}

/// What paths say beside their steps.
extension World {
  /// Records a traceable event of `cpu` at the running step's time.
  @inline(__always)
  package mutating func trace(
    _ event: TraceEvent, on cpu: CPUID, a: UInt64 = 0, b: UInt64 = 0, c: UInt64 = 0
  ) {
    guard probe.isOn else { return }
    probe.note(event.rawValue, at: now, cpu: cpu.index, a: a, b: b, c: c)
  }

  /// Reports a broken kernel rule; the machine adds CPU, time, context and path.
  package mutating func complain(_ kind: Violation.Kind, _ message: String, on cpu: CPUID) {
    complaints.raised.append(Complaints.Raised(kind: kind, message: message))
    hasComplaint = true
  }

  /// Reports what the kernel would print and go on: a failed allocation.
  package mutating func warn(_ message: String, on cpu: CPUID) {
    complaints.raised.append(Complaints.Raised(kind: nil, message: message))
    hasComplaint = true
  }

  /// Called where the kernel has `might_alloc()` with a mask that allows blocking.
  ///
  /// - Parameter advice: what to do instead, for the report.
  @inline(__always)
  package mutating func mightAlloc(on cpu: CPUID, _ advice: @autoclosure () -> String) {
    let masked = cpus[cpu].irqsOff > 0 && !cpus[cpu].preemptCount.inAtomic
    mightSleep(on: cpu, advice(), as: masked ? .irqsOffGFP : .sleepingInAtomic)
  }

  /// Called where the kernel has `might_sleep()`. A voluntary kernel yields here.
  ///
  /// - Parameter advice: what to do instead, for the report.
  @inline(__always)
  package mutating func mightSleep(
    on cpu: CPUID, _ advice: @autoclosure () -> String,
    as kind: Violation.Kind = .sleepingInAtomic
  ) {
    guard !cpus[cpu].maySleep else {
      if cpus[cpu].attention & (CPU.wantsSwitch | CPU.wantsStopper) != 0,
        config.preemption.yieldsWhereItMightSleep
      {
        cpus[cpu].yielding |= CPU.yieldsOnce
      }
      return
    }
    complain(kind, advice(), on: cpu)
  }

  /// The node of a CPU, and the node its memory comes from. Kernel: `cpu_to_node()`,
  /// `numa_mem_id()`.
  @inline(__always)
  package func node(of cpu: CPUID) -> NodeID { NodeID(Int(layout.places[cpu.index].node)) }
  @inline(__always)
  package func memoryNode(of cpu: CPUID) -> NodeID {
    NodeID(Int(layout.places[cpu.index].memoryNode))
  }

  /// The softirq thread of `cpu`, made when it is first needed.
  mutating func ksoftirqd(of cpu: CPUID) -> TaskID {
    if tasks.ksoftirqds[cpu.index].isNone {
      tasks.ksoftirqds[cpu.index] = tasks.make(
        "ksoftirqd/\(cpu.index)", on: cpu, isKernelThread: true, entry: .ksoftirqd(.start))
    }
    return tasks.ksoftirqds[cpu.index]
  }
}

extension World {
  /// Forgets all statistics; the state stays.
  mutating func beginMeasuring() {
    counters.reset()
    program.resetMeasurements()
    shootdowns = ShootdownStatistics()
    calls.forgetSlow()
    locks.resetStatistics(at: now)
    tasks.resetStatistics()
    slab.resetStatistics()
    for cpu in 0..<cpus.count {
      (cpus[cpu].callInterrupts, cpus[cpu].rescheduleInterrupts) = (0, 0)
    }
    vmalloc.resetStatistics()
  }

  /// What a CPU costs the host beside stacks. Unit: bytes.
  var stateBytes: Int {
    cpus.byteCount + locks.byteCount + lines.byteCount + calls.byteCount + tasks.byteCount
      + program.byteCount + pages.listBytes + slab.cpuBytes + tlbs.byteCount
      + vmalloc.byteCount + ticks.byteCount + rcu.byteCount + kfreeRCU.byteCount
  }
}
