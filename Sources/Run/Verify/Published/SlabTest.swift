import Hardware
import Kernel
import Simulation

/// The loops of slab_test and slab_bulk_test01 on an emulated machine, timed by its clock.
///
/// slab_test allocates N objects of a size, then frees them in the same order; then it allocates
/// and frees one object N times. slab_bulk_test01 allocates a batch and frees it, again and again.
/// The machine is fresh but for one object of the class, as after the module was loaded; the cache of
/// slab_bulk_test01 merges with kmalloc-256, whose objects are in its slabs too: one stands for them.
struct SlabTest: ~Copyable {
  /// What slab_bulk_test01 calls: a cache's functions one by one, or its bulk functions.
  enum API { case oneByOne, bulk }

  private var machine: Machine
  private var cache = CacheID.none
  private static let cpu = CPUID(0)
  /// The objects of slab_bulk_test01. Unit: bytes.
  private static let bulkSize = 256

  init(_ boot: consuming Boot) { machine = Machine(boot) }

  /// Picoseconds that one allocation and one free take, on average over `count`.
  mutating func allocateThenFree(size: Int, count: Int) -> (allocate: Double, free: Double) {
    let frame = Frame.kmalloc(.start(size: UInt32(size), gfp: .kernel, node: .any))
    let (allocating, objects) = time(Array(repeating: frame, count: count))
    let (freeing, _) = time(objects.map { .kfree(.start($0.address)) })
    return (allocating / Double(count), freeing / Double(count))
  }

  /// An allocation and a free of the same object, on average over `count`.
  mutating func pair(size: Int, count: Int) -> Double {
    let allocate = Frame.kmalloc(.start(size: UInt32(size), gfp: .kernel, node: .any))
    let object = time([allocate]).replies[0].address
    _ = time([.kfree(.start(object))])
    // The object freed last is the one that comes next.
    let frames = (0..<2 * count).map { $0 % 2 == 0 ? allocate : .kfree(.start(object)) }
    return time(frames).length / Double(count)
  }

  /// An allocation and a free of an object of 256 bytes, where `batch` are held at a time.
  mutating func batches(of batch: Int, _ api: API, rounds: Int) -> Double {
    if cache.isNone {
      cache = machine.world.slab.declare("bulk_test", objectSize: Self.bulkSize, align: 0)!
      _ = run([.kmemCacheCreate(.start(cache))])
      _ = run([.kmemCacheAlloc(.start(cache: cache, gfp: .kernel, node: .any))])
    }
    var total = 0.0
    // The first round finds a machine without slabs of the cache, the second has them in place.
    for round in 0..<rounds + 2 {
      let length = api == .bulk ? bulkRound(batch) : singleRound(batch)
      if round > 1 { total += length }
    }
    return total / Double(rounds * batch)
  }

  private mutating func singleRound(_ batch: Int) -> Double {
    let allocate = Frame.kmemCacheAlloc(.start(cache: cache, gfp: .kernel, node: .any))
    let (allocating, objects) = time(Array(repeating: allocate, count: batch))
    let (freeing, _) = time(objects.map { .kmemCacheFree(.start(cache, $0.address)) })
    return allocating + freeing
  }

  private mutating func bulkRound(_ batch: Int) -> Double {
    let (allocate, id) = machine.world.bulkAllocation(cache, count: batch, gfp: .kernel)
    let (allocating, _) = time([allocate])
    let objects = machine.world.closeBulk(id)
    let (freeing, _) = time([machine.world.bulkFree(cache, objects)])
    return allocating + freeing
  }

  /// Makes the calls in a task. Returns: picoseconds, without what the task itself costs.
  private mutating func time(_ frames: [Frame]) -> (length: Double, replies: [Reply]) {
    let overhead = run([])
    let length = run(frames)
    let replies = (0..<machine.world.visit.returned).map { machine.world.visit.replies[$0] }
    return (max(length - overhead, 0), replies)
  }

  private mutating func run(_ frames: [Frame]) -> Double {
    let begin = machine.now
    machine.visit(Self.cpu, at: .task, frames)
    while !machine.world.visit.isDone {
      let halt = machine.run(events: 1)
      if halt == .nothingLeft || halt == .deadlock { break }
    }
    return Double((machine.world.now - begin).picoseconds)
  }
}
