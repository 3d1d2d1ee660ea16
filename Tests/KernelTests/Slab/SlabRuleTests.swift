import Hardware
import Simulation
import Testing

@testable import Kernel

/// What the slab allocator answers to odd requests and to broken rules.
@Suite struct SlabRuleTests {
  private func raised(_ runner: borrowing PathRunner) -> [Violation.Kind?] {
    runner.world.complaints.raised.map(\.kind)
  }

  @Test("no bytes are the zero-size pointer, which kfree takes like NULL")
  func zeroSize() throws {
    var runner = try PathRunner(cpus: 1)
    let none = runner.call(.kmalloc(.start(size: 0, gfp: .kernel, node: .any)), on: 0).address
    runner.free(none, on: 0)
    runner.free(.null, on: 0)
    let complaints = raised(runner)
    #expect(none == .zeroSize && complaints == [])
  }

  @Test(
    "SLAB_HWCACHE_ALIGN of 20, 30, 40 bytes: nothing or a line, parts of one, or a line",
    arguments: [
      ("2.6.24", SlabKind.slub, [24, 32, 64]), ("2.6.27", .slub, [32, 32, 64]),
      ("2.6.24", .slab, [32, 32, 64]), ("2.6.24", .slob, [64, 64, 64]),
      ("3.10", .slob, [32, 32, 64]),
    ])
  func lineAlignment(kernel: String, kind: SlabKind, strides: [Int]) throws {
    for (size, stride) in zip([20, 30, 40], strides) {
      var runner = try PathRunner(cpus: 1, kernel: kernel, slab: kind)
      let cache = try runner.makeCache("lines", size: size, flags: .hwCacheAlign)
      let objects = (0..<3).map { _ in runner.allocate(cache, on: 0).raw }.sorted()
      #expect(Int(objects[1] - objects[0]) == stride, "\(kernel) \(kind) \(size)")
    }
  }

  @Test("a second free is reported, on the fast path and on the slow one, and the run goes on")
  func doubleFree() throws {
    var runner = try PathRunner(cpus: 2)
    let kmalloc = Frame.kmalloc(.start(size: 100, gfp: .kernel, node: .any))
    let (a, b) = (runner.call(kmalloc, on: 0).address, runner.call(kmalloc, on: 0).address)
    runner.free(a, on: 0)
    runner.free(a, on: 0)
    runner.free(b, on: 1)
    runner.free(b, on: 1)
    let complaints = raised(runner)
    #expect(complaints == [.doubleFree, .doubleFree])
    let taken = try runner.world.slab.checkInvariants()
    #expect(taken == 0)
  }

  @Test("a pointer that no allocation returned is a bad free; one of vmalloc has its own function")
  func badFree() throws {
    var runner = try PathRunner(cpus: 1)
    let kmalloc = Frame.kmalloc(.start(size: 100, gfp: .kernel, node: .any))
    let object = runner.call(kmalloc, on: 0).address
    runner.free(object + 4, on: 0)
    runner.free(Address(0x1234_5678), on: 0)
    runner.free(Address(.max), on: 0)
    runner.free(runner.world.architecture.vmallocStart, on: 0)
    let complaints = raised(runner)
    #expect(complaints == [.badFree, .badFree, .badFree, .wrongFreeFunction])
    let size = runner.world.slab.size(of: object)
    #expect(size == 128)
  }

  @Test("an object freed to another cache goes back to its own, with a complaint")
  func wrongCache() throws {
    var runner = try PathRunner(cpus: 1)
    let (a, b) = (try runner.makeCache("a", size: 64), try runner.makeCache("b", size: 64))
    let object = runner.allocate(a, on: 0)
    _ = runner.call(.kmemCacheFree(.start(b, object)), on: 0)
    let (complaints, left) = (raised(runner), runner.world.slab.allocatedCount(of: a))
    #expect(complaints == [.wrongFreeFunction] && left == 0)
  }

  @Test("more than 8 KiB are pages; ksize says how many bytes they have")
  func large() throws {
    var runner = try PathRunner(cpus: 1)
    let kmalloc = Frame.kmalloc(.start(size: 40_000, gfp: .kernel, node: .any))
    let block = runner.call(kmalloc, on: 0).address
    let (size, taken) = (runner.world.slab.size(of: block), runner.pagesTaken)
    #expect(size == 65_536 && taken == [4: 1])
    runner.free(block, on: 0)
    let given = runner.pagesGiven
    #expect(given == [4: 1])
    runner.free(block, on: 0)
    let complaints = raised(runner)
    #expect(complaints == [.badFree])
  }

  @Test("an array whose bytes overflow is NULL, and takes nothing")
  func overflow() throws {
    var runner = try PathRunner(cpus: 1)
    let call = KmallocArray.frame(count: 1 << 62, size: 8, gfp: [.kernel, .zero])
    let object = runner.call(call, on: 0).address
    let taken = runner.pagesTaken
    #expect(object == .null && taken == [:])
    let fits = runner.call(KmallocArray.frame(count: 3, size: 30, gfp: .kernel), on: 0).address
    let size = runner.world.slab.size(of: fits)
    #expect(size == 96)
  }

  @Test("krealloc stays where the object fits, moves where not, and frees for size 0")
  func krealloc() throws {
    var runner = try PathRunner(cpus: 1)
    let kmalloc = Frame.kmalloc(.start(size: 100, gfp: .kernel, node: .any))
    let object = runner.call(kmalloc, on: 0).address
    let same = Krealloc.frame(object, size: 128, gfp: .kernel, &runner.world)
    let stays = runner.call(same, on: 0).address
    #expect(stays == object)
    let larger = Krealloc.frame(object, size: 129, gfp: .kernel, &runner.world)
    let moved = runner.call(larger, on: 0).address
    let sizes = [object, moved].map { runner.world.slab.size(of: $0) }
    #expect(moved != object && sizes == [128, 192])
    let nothing = Krealloc.frame(moved, size: 0, gfp: .kernel, &runner.world)
    let end = runner.call(nothing, on: 0).address
    let (taken, records) = (
      try runner.world.slab.checkInvariants(), runner.world.slab.reallocations.liveCount
    )
    #expect(end == .zeroSize && taken == 0 && records == 0)
  }

  @Test("GFP_KERNEL in atomic context is a violation, GFP_ATOMIC is none")
  func atomicContext() throws {
    var runner = try PathRunner(cpus: 1)
    runner.world.cpus[CPUID(0)].irqsOff = 1
    for gfp in [GFPFlags.atomic, .noWait, .kernel] {
      let object = runner.call(.kmalloc(.start(size: 64, gfp: gfp, node: .any)), on: 0).address
      #expect(object != .null)
    }
    let complaints = raised(runner)
    #expect(complaints == [.irqsOffGFP])
  }

  @Test("destroying a cache with objects complains and leaves it; without, it is gone")
  func destroy() throws {
    var runner = try PathRunner(cpus: 2, nodes: 2)
    let (a, b) = (try runner.makeCache("a", size: 64), try runner.makeCache("b", size: 64))
    let (left, freed) = (runner.allocate(a, on: 0), runner.allocate(b, on: 1))
    runner.free(freed, on: 0)
    for cache in [a, b] { _ = runner.call(.kmemCacheDestroy(.start(cache)), on: 0) }
    let complaints = raised(runner)
    #expect(complaints == [.leak])
    let states = [a, b].map { runner.world.slab.caches[$0].state }
    #expect(states == [.shutDown, .declared])
    let none = runner.allocate(a, on: 0)
    runner.free(left, on: 0)
    let after = raised(runner)
    #expect(none == .null && after == [.leak, .useAfterFree])
    // The records of the cache that is gone serve the next.
    let used = runner.world.slab.cpusUsed
    let next = try runner.makeCache("c", size: 64)
    _ = runner.allocate(next, on: 0)
    let usedAfter = runner.world.slab.cpusUsed
    #expect(usedAfter == used)
  }

  @Test("a random freelist changes addresses, no counts")
  func randomFreelist() throws {
    var counts: [[Int]] = []
    var addresses: [[Address]] = []
    for isRandom in [false, true] {
      var runner = try PathRunner(cpus: 2, freelistRandom: isRandom)
      let cache = try runner.makeCache("c", size: 256)
      let objects = (0..<100).map { _ in runner.allocate(cache, on: 0) }
      for object in objects { runner.free(object, on: 1) }
      addresses.append(objects)
      counts.append(SlabStat.allCases.map { runner.count($0, cache) })
      try runner.world.slab.checkInvariants()
    }
    #expect(counts[0] == counts[1] && addresses[0] != addresses[1])
    #expect(Set(addresses[1]).count == 100)
  }

  @Test("where no pages are, kmalloc is NULL, and says so unless told not to")
  func outOfMemory() throws {
    var runner = try PathRunner(cpus: 1, bytesPerNode: 64 << 20)
    func call(_ gfp: GFPFlags) -> Frame { .kmalloc(.start(size: 8192, gfp: gfp, node: .any)) }
    var count = 0
    while count < 20_000, runner.call(call(.noWait), on: 0).address != .null { count += 1 }
    #expect(count > 4_000 && count < 8_192)
    let silent = runner.world.complaints.raised.count
    while count < 20_000, runner.call(call(.atomic), on: 0).address != .null { count += 1 }
    let cache = runner.world.slab.kmallocCache(size: 8192, gfp: .kernel)
    let failed = runner.count(.alloc_failed, cache)
    let messages = runner.world.complaints.raised.map(\.message)
    let hasSaidSo = messages.contains { $0.hasPrefix("SLUB: Unable to allocate memory on CPU 0") }
    #expect(silent == 0 && failed == 2 && hasSaidSo)
    try runner.world.slab.checkInvariants()
  }

  @Test("where memory is in single pages, a slab is made of the smallest order")
  func orderFallback() throws {
    var runner = try PathRunner(cpus: 1, bytesPerNode: 64 << 20)
    var pages: [PFN] = []
    while pages.count < 20_000 {
      let call = AllocPages.start(order: .zero, gfp: [.noWait, .memAlloc], node: .any)
      let page = runner.call(.allocPages(call), on: 0).pfn
      if page.isNone { break }
      pages.append(page)
    }
    for page in pages where page.index % 2 == 1 {
      _ = runner.call(.freePages(.start(page, .zero)), on: 0)
    }
    let call = Kmalloc.start(size: 4096, gfp: .noWait, node: .any)
    let object = runner.call(.kmalloc(call), on: 0).address
    let cache = runner.world.slab.kmallocCache(size: 4096, gfp: .kernel)
    let (fallbacks, figures) = (
      runner.count(.order_fallback, cache), runner.world.slab.figures(of: cache)
    )
    #expect(object != .null && fallbacks == 1 && figures.totalObjects == [1])
  }
}
