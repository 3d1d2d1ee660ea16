import Hardware
import HostTopology
import Run
import Testing

@testable import Hardware
@testable import Kernel
@testable import Scenario
@testable import Simulation

/// `--check-invariants` sees a contradiction in any structure of the machine.
@Suite struct InvariantTests {
  /// A bit of everything: slabs, pages, vmalloc, hand-overs, interrupts, locks.
  private static let text = """
    scenario: 1
    locks: [table_lock]
    caches: {skb: {size: 256B}}
    interrupts:
      - name: nic
        cpus: all
        arrivals: {every: 3us, units: 2}
        hardirq: [{work: 100ns}, {raise: net-rx}]
        softirq:
          net-rx:
            each:
              - kmem_cache_alloc: {cache: skb, gfp: GFP_ATOMIC, as: head, on-failure: drop}
              - hand_over: {to: reader, objects: [head], on-failure: drop}
    threads:
      - name: mapper
        on: all
        loop:
          - vmalloc: {size: 64KiB, as: area}
          - touch: {object: area, stride: 4KiB}
          - lock: table_lock
          - work: 300ns
          - unlock: table_lock
          - vfree: area
          - sleep: 2us
      - name: storm
        on: all
        slots: {name: objects, count: 16}
        loop:
          - work: {uniform: [12ns, 28ns]}
          - repeat:
              times: 40
              do:
                - work: {uniform: [12ns, 28ns]}
                - pick: {pool: objects, own: 3, next: 1}
                - when:
                    full: picked
                    then: [{kfree: picked}]
                    else: [{kmalloc: {size: 256B, as: picked}}]
          - sleep: 3us
      - name: flusher
        on: first
        loop: [{sleep: 90us}, vm_unmap_aliases]
      - name: reader
        on: last
        each: [{work: 2us}, {kmem_cache_free: {cache: skb, object: head}}]
    run: {duration: 400us, seed: 1}
    """

  private static func plan() throws -> RunPlan {
    try check(text, machine: "package:2 numa:1 core:2 pu:1").get().plan
  }

  /// The machine in the middle of the run.
  private static func machine() throws -> Machine {
    let plan = try plan()
    var machine = Machine(plan.boot)
    machine.load(plan.program, seed: plan.settings.seed)
    _ = machine.run(until: Instant(picoseconds: 250_000_000))
    return machine
  }

  /// Arrays that are flushed, blocks that are cut, slabs of every release's kind.
  @Test(arguments: [("2.6.24", "slab"), ("4.19", "slab"), ("6.1", "slab"), ("6.1", "slob")])
  func everyAllocatorKeepsThem(kernel: String, slab: String) throws {
    for memory in ["4MiB", "1GiB"] {
      var overrides = Overrides()
      overrides.machine = "pu:2"
      overrides.sets = [
        "kernel.version=\(kernel)", "kernel.slab=\(slab)", "machine.memory=\(memory)", "expect=[]",
        "run.warmup=0ns", "run.duration=2ms",
      ]
      var options = RunOptions()
      options.checkInvariantsEvery = 97
      var runner = Runner(try Scenarios.load("kmalloc-classes", overrides).plan, options: options)
      runner.run(drain: { _ in }, shouldStop: { _, _ in false })
      #expect(runner.brokenInvariant == nil, "\(memory)")
    }
  }

  @Test func theWholeRunKeepsThem() throws {
    var options = RunOptions()
    options.checkInvariantsEvery = 37
    var runner = Runner(try Self.plan(), options: options)
    runner.run(drain: { _ in }, shouldStop: { _, _ in false })
    #expect(runner.brokenInvariant == nil)
    let result = runner.result(wallS: 1)
    #expect(result.ended == "complete" && result.vmalloc.lazyFrees > 10)
    #expect(result.interrupts.softirqs > 10 && result.locks.contains { $0.contended > 0 })
  }

  struct Damage: Sendable, CustomStringConvertible {
    let description: String
    let finding: String
    let make: @Sendable (inout Machine) -> Void
    init(_ what: String, _ finding: String, _ make: @escaping @Sendable (inout Machine) -> Void) {
      (description, self.finding, self.make) = (what, finding, make)
    }
  }

  @Test(arguments: engine + core + pages + slab + vmalloc)
  func aDamageIsFound(damage: Damage) throws {
    var machine = try Self.machine()
    let before = machine.checkInvariants()
    #expect(before == nil)
    damage.make(&machine)
    let after = machine.checkInvariants() ?? "nothing"
    #expect(after.contains(damage.finding), "\(after)")
  }

  /// The run ends at the first broken one, and says so.
  @Test func aRunStopsThere() throws {
    var options = RunOptions()
    options.checkInvariantsEvery = 100
    var runner = Runner(try Self.plan(), options: options)
    runner.machine.world.vmalloc.pageTable.mappedPages += 1
    runner.run(drain: { _ in }, shouldStop: { _, _ in false })
    #expect(runner.brokenInvariant?.hasPrefix("page table: ") == true)
    let result = runner.result(wallS: 1)
    #expect(result.ended == "invariant broken" && result.events < 1000)
  }

  // MARK: What is damaged

  private static let engine = [
    Damage("an inner place of the queue", "queue: place") { $0.queue.keys[2] ^= 1 << 40 },
    Damage("a leaf of the queue", "queue: ") {
      $0.queue.keys[$0.queue.width + 1] = $0.queue.keys[$0.queue.width + 3]
    },
    Damage("the first time of the event heap", "event heap") { $0.loose.firstTime = .never },
    Damage("an interrupt that the queue does not know", "next interrupt") {
      $0.world.cpus[0].arrivals[0] = Instant(picoseconds: 1)
    },
    Damage("a CPU that is parked and due", "and next due") {
      let cpu = $0.world.cpus[3].activity == .idle ? 0 : 3
      $0.world.cpus[cpu].activity = $0.world.cpus[cpu].activity == .idle ? .computing : .idle
    },
    Damage("a vector nobody looks for", "nobody looks") {
      $0.world.cpus[1].latched = 1
      $0.world.cpus[1].attention = 0
    },
    Damage("a running task's state", "task ") { machine in
      for cpu in 0..<4 where !machine.world.cpus[cpu].current.isNone {
        machine.world.tasks.all[machine.world.cpus[cpu].current].state = .blocked
        return
      }
    },
    Damage("the end of a run queue", "run queue of CPU 2") {
      $0.world.cpus[2].runLast = TaskID(0)
      $0.world.cpus[2].runFirst = .none
      for task in 0..<$0.world.tasks.all.highWater
      where $0.world.tasks.all[TaskID(task)].state == .ready
        && $0.world.tasks.all[TaskID(task)].cpu.index == 2
      { $0.world.tasks.all[TaskID(task)].state = .blocked }
    },
  ]

  private static let core = [
    Damage("a lock whose holder does not know", "its holder does not know") {
      $0.world.locks.locks[LockID(0)].holder = ContextID(8)
    },
    Damage("a queue at a free lock", "a queue, and nobody has it") {
      $0.world.locks.locks[LockID(1)].first = ContextID(4)
    },
    Damage("what a context holds", "believes that it has it") {
      $0.world.locks.held[12 * Locks.heldMax] = LockID(2)
      $0.world.locks.heldCount[12] = 1
    },
    Damage("the owner of a line", "cache line 5") { $0.world.lines.lines[LineID(5)].owner = 4 },
    Damage("a call that its initiator does not wait for", "waits for 0 calls") {
      _ = $0.world.calls.push(from: CPUID(0), to: CPUID(1), sparesPending: true)
      $0.world.calls.requests[0].outstanding = 0
    },
    Damage("a work item that is lost", "work: ") {
      _ = $0.world.work.entries.take(.init())
    },
    Damage("the count of a box", "box of thread") { $0.world.program.threads[2].box.count += 1 },
    Damage("a message given back twice", "messages: ") {
      $0.world.program.messages.give(ID(0))
      $0.world.program.messages.give(ID(0))
    },
    Damage("a TLB entry in a foreign set", "TLB of CPU") { machine in
      let generation = machine.world.tlbs.units[0].generation
      for place in 0..<machine.world.tlbs.entries.count
      where machine.world.tlbs.entries[place].generation == generation {
        machine.world.tlbs.entries[place].tag ^= 2
        return
      }
    },
  ]

  private static let pages = [
    Damage("a zone's free pages", "pages are on lists") {
      $0.world.pages.zones[0].area.freePages -= 1
    },
    Damage("the count of a CPU's page lists", "pages on the lists") {
      $0.world.pages.perCPU[0].count += 1
    },
  ]

  private static let slab = [
    Damage("a node's partial slabs", "slab: a list lost count") {
      $0.world.slab.nodes[0].partialCount += 1
    },
    Damage("a slab's objects in use", "inuse and freelist disagree") {
      $0.world.slab.slabs[0].inuse -= 1
    },
    Damage("a node's slabs", "slab: a node counts") { machine in
      for place in 0..<machine.world.slab.nodesUsed
      where machine.world.slab.nodes[place].slabCount > 0 {
        machine.world.slab.nodes[place].slabCount = 0
      }
    },
    Damage("the count of all slabs", "slab: the count of all slabs") {
      $0.world.slab.slabCount += 1
    },
    Damage("a free object's link", "slab: ") { machine in
      for cpu in 0..<machine.world.slab.cpusUsed
      where machine.world.slab.cpus[cpu].freelist != Link.end {
        let mine = machine.world.slab.cpus[cpu]
        machine.world.slab.links[Int(mine.links) + Int(mine.freelist)] = mine.freelist
        return
      }
    },
  ]

  private static let vmalloc = [
    Damage("the largest size below an area", "a wrong largest size") {
      $0.world.vmalloc.areas[$0.world.vmalloc.free.root].subtreeMaxSize += 4096
    },
    Damage("the count of lazy pages", "lazy pages counted") { $0.world.vmalloc.purge.pages = 0 },
    Damage("a lazy tree", "vmap tree: ") { machine in
      for node in 0..<machine.world.vmalloc.nodes.count
      where machine.world.vmalloc.nodes[VmapNodeID(node)].lazy.count > 0 {
        machine.world.vmalloc.nodes[VmapNodeID(node)].lazy.count += 1
        return
      }
    },
    Damage("the areas of a pool", "pooled areas miscounted") { machine in
      for node in 0..<machine.world.vmalloc.nodes.count
      where machine.world.vmalloc.nodes[VmapNodeID(node)].pools >= 0 {
        machine.world.vmalloc.nodes[VmapNodeID(node)].pooledAreas += 1
        return
      }
    },
    Damage("the pages of all areas", "vm_structs: ") { $0.world.vmalloc.vms.pageCount += 1 },
    Damage("the leaves of the page table", "page table: ") {
      $0.world.vmalloc.pageTable.mappedPages += 1
    },
  ]
}
