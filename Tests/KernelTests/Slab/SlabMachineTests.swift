import Hardware
import Simulation
import Testing

@testable import Kernel

/// The slab paths on the engine: times, locks, preemption and work queues are real here.
@Suite struct SlabMachineTests {
  typealias Bench = PagePathTests.Bench

  private static func kmalloc(_ size: UInt32, _ gfp: GFPFlags = .kernel) -> Step {
    .call(.kmalloc(.start(size: size, gfp: gfp, node: .any)))
  }
  private static func objects(_ bench: Bench) -> [Address] {
    // By time, not in the order of the ring: a CPU that runs ahead records early.
    bench.records(of: .kmalloc).sorted { ($0.time, $0.cpu) < ($1.time, $1.cpu) }
      .map { Address($0.a) }
  }

  /// Four CPUs of two nodes allocate at once, free each other's objects at once, and shrink.
  private func storm(runsAhead: Bool) throws -> (bench: Bench, fingerprint: UInt64) {
    let bench = try Bench(cpus: 4, nodes: 2, runsAhead: runsAhead)
    bench.forget()
    bench.run([Step](repeating: Self.kmalloc(2048), count: 60), on: [0, 1, 2, 3])
    let objects = Self.objects(bench)
    #expect(objects.count == 240 && Set(objects).count == 240)
    let taken = try bench.machine.world.slab.checkInvariants()
    #expect(taken == 240)
    bench.forget()
    for cpu in 0..<4 {
      let mine = objects.indices.filter { ($0 + cpu) % 4 == 0 }.map { objects[$0] }
      bench.start(mine.map { .call(.kfree(.start($0))) }, on: cpu, after: UInt64(cpu))
    }
    bench.finish()
    let left = try bench.machine.world.slab.checkInvariants()
    #expect(left == 0)
    return (bench, bench.machine.fingerprint)
  }

  @Test("objects come and go on four CPUs at once; no lock stays held; nothing is complained of")
  func atOnce() throws {
    let (bench, _) = try storm(runsAhead: true)
    let cache = bench.machine.world.slab.kmallocCache(size: 2048, gfp: .kernel)
    let remote = bench.machine.world.slab.count(.free_remote_cpu, of: cache)
    #expect(remote > 100)
    bench.forget()
    bench.run([.call(.kmemCacheShrink(.start(cache)))], on: [1])
    let figures = bench.machine.world.slab.figures(of: cache)
    #expect(figures.slabs == [0, 0])
    let (violations, count) = (
      bench.machine.world.complaints.violationCount, bench.machine.world.locks.locks.highWater
    )
    #expect(violations == 0)
    let held = (0..<count).filter { bench.machine.world.locks.isHeld(LockID($0)) }
    #expect(held == [])
    for cpu in 0..<4 {
      let state = bench.machine.world.cpus[CPUID(cpu)]
      #expect(state.irqsOff == 0 && !state.preemptCount.inAtomic)
    }
  }

  @Test("running ahead of the queue changes no figure")
  func runAhead() throws {
    let (with, without) = (try storm(runsAhead: true), try storm(runsAhead: false))
    #expect(with.fingerprint == without.fingerprint)
    #expect(with.bench.machine.now == without.bench.machine.now)
    #expect(with.bench.machine.events < without.bench.machine.events)
  }

  @Test("tracepoints carry what the kernel's do")
  func traces() throws {
    let bench = try Bench(cpus: 1)
    bench.forget()
    bench.run([Self.kmalloc(100, .kernelAccount)])
    let record = try #require(bench.records(of: .kmalloc).first)
    let fields = TraceEvent.kmalloc.format.fields
    func value(_ name: String) -> UInt64? {
      fields.first { $0.name == name }.map { $0.value(in: record) }
    }
    #expect(fields.map(\.name).prefix(3) == ["ptr", "bytes_req", "bytes_alloc"])
    #expect(value("bytes_req") == 100 && value("bytes_alloc") == 128)
    #expect(value("gfp_flags") == UInt64(GFPFlags.kernelAccount.rawValue))
    #expect(value("node") == UInt64.max && value("accounted") == 1)
    let pointer = try #require(value("ptr"))
    bench.run([.call(.kfree(.start(Address(pointer))))])
    let free = try #require(bench.records(of: .kfree).first)
    #expect(free.a == pointer)
  }

  @Test("a fast kmalloc takes the fast path's time, and a zeroed one its clearing too")
  func times() throws {
    let bench = try Bench(cpus: 1)
    bench.run([Self.kmalloc(256)])
    func time(_ step: Step) -> Duration {
      let before = bench.machine.accounting.spent(in: .slab)
      bench.run([step])
      return bench.machine.accounting.spent(in: .slab) - before
    }
    let costs = try CostFile.named("generic-x86")
    let fast = time(Self.kmalloc(256))
    #expect(fast == costs[.slubAllocFast])
  }

  @Test("clones of a machine go their own ways")
  func clone() throws {
    let bench = try Bench(cpus: 2)
    bench.run([Self.kmalloc(512), Self.kmalloc(512)], on: [0, 1])
    let copy = bench.machine.clone()
    bench.run([Self.kmalloc(512)])
    let (more, less) = (
      try bench.machine.world.slab.checkInvariants(), try copy.world.slab.checkInvariants()
    )
    #expect(more == 5 && less == 4)
  }
}
