import Hardware
import Simulation

/// One object, by its slab and its place there.
package struct ObjectRef: BitwiseCopyable, Equatable {
  var slab: ID<Slab>
  var index: UInt16
  static let none = ObjectRef(slab: .none, index: 0)
}

/// An array of free objects of one cache, the last one taken first. 32 bytes beside its objects.
///
/// A short-lived one is the array of pointers that a bulk call has on its stack.
/// Kernel: `struct slab_sheaf` (mm/slub.c, 7.0).
package struct Sheaf: BitwiseCopyable {
  /// What kmalloc gave for it; `null` for one made at boot, or on a stack.
  var memory: Address
  /// Where its objects begin in the arena.
  var base: Int32
  /// The next one of the barn's list, or of the unused ones.
  var next: ID<Sheaf>
  /// Objects it holds; stale while it is a CPU's main one, whose record has it.
  var size: UInt16
  /// Objects it has room for.
  var capacity: UInt16
  var cache: UInt16
  /// The logarithm of what it takes of the arena.
  var blockClass: UInt8
  /// The barn it goes to after a grace period.
  var node: NodeID
  /// A user has it, between prefilling and returning it.
  var isInHand: Bool

  @inline(__always) var cacheID: CacheID { CacheID(Int(cache)) }

  static let blank = Sheaf(
    memory: .null, base: 0, next: .none, size: 0, capacity: 0, cache: .max, blockClass: 0,
    node: .any, isInHand: false)

  /// Bytes that kmalloc is asked for. Kernel: `struct_size()` in `__alloc_empty_sheaf()`.
  static func bytes(capacity: Int) -> UInt32 {
    UInt32(SlabSizing.sheafHeaderBytes + capacity * SlabSizing.wordSize)
  }
}

/// The sheaves of one CPU and one cache. 32 bytes, two to a line of the host.
///
/// What the fast paths read of the main sheaf is here, so that they touch this and one object.
/// A CPU that has not used the cache has no main sheaf: no size, and no room either, which sends
/// both fast paths to the slow ones, as the kernel's `bootstrap_sheaf` does.
/// Kernel: `struct slub_percpu_sheaves` (mm/slub.c, 7.0).
struct CPUSheaves: BitwiseCopyable {
  var main: ID<Sheaf>
  /// Empty or full; `none` when there is none.
  var spare: ID<Sheaf>
  /// What `kfree_rcu()` fills.
  var rcuFree: ID<Sheaf>
  /// The main sheaf's.
  var base: Int32
  var size: UInt16
  var capacity: UInt16
  /// A slow path of this CPU is at them: who interrupts it goes past them. Kernel: `lock`, a
  /// `local_trylock_t`.
  var isLocked: Bool
  var allocFast: UInt32
  var freeFast: UInt32

  static let blank = CPUSheaves(
    main: .none, spare: .none, rcuFree: .none, base: 0, size: 0, capacity: 0, isLocked: false,
    allocFast: 0, freeFast: 0)

  @inline(__always) var isFull: Bool { size == capacity }
}

/// The sheaves that CPUs of a node exchange. Kernel: `struct node_barn` (mm/slub.c, 7.0).
struct Barn: BitwiseCopyable {
  var lock: LockID
  var firstFull: ID<Sheaf>
  var firstEmpty: ID<Sheaf>
  var fullCount: Int32
  var emptyCount: Int32

  static let blank = Barn(
    lock: .none, firstFull: .none, firstEmpty: .none, fullCount: 0, emptyCount: 0)

  /// Kernel: `MAX_FULL_SHEAVES`, `MAX_EMPTY_SHEAVES` (mm/slub.c, 7.0).
  static let fullMax: Int32 = 10
  static let emptyMax: Int32 = 10
}

/// All sheaves of all caches: arrays of free objects in front of the slabs.
///
/// Mechanism: arrays, lists and counts; it knows no lock and no time. An object in a sheaf is used
/// as far as its slab can tell, and its link is `Link.cached`.
///
/// Invariants, walked by `SlabAllocator.checkSheaves()`:
/// 1. a sheaf is at most in one place: a CPU's main, spare or rcu_free, or one list of one barn, or
///    in the hand of a user;
/// 2. an object is in at most one sheaf, once, and its link says that it is in one; but those of
///    an rcu_free sheaf are allocated until their grace period is over;
/// 3. a barn's counts are those of its lists;
/// 4. no sheaf holds more than it has room for, and all its objects are of its cache.
package struct Sheaves: ~Copyable {
  /// Sizes of storage, by their logarithm: a sheaf holds up to 2^16 objects.
  private static let classes = 17

  var objects: Buffer<ObjectRef>
  private var objectsUsed: Int
  var all: Buffer<Sheaf>
  private(set) var used: Int
  /// Records given back, by their block class: first of a list through `next`.
  private var unused: Buffer<ID<Sheaf>>
  /// By the numbers of the slab allocator's own records of CPUs and nodes.
  var cpus: Buffer<CPUSheaves>
  var barns: Buffer<Barn>

  init() {
    objects = Buffer(0, .none)
    all = Buffer(0, .blank)
    unused = Buffer(Sheaves.classes, .none)
    cpus = Buffer(0, .blank)
    barns = Buffer(0, .blank)
    (objectsUsed, used) = (0, 0)
  }

  private init(cloning other: borrowing Sheaves) {
    objects = other.objects.clone()
    all = other.all.clone()
    unused = other.unused.clone()
    cpus = other.cpus.clone()
    barns = other.barns.clone()
    (objectsUsed, used) = (other.objectsUsed, other.used)
  }
  func clone() -> Sheaves { Sheaves(cloning: self) }

  /// Unit: bytes of the host.
  var byteCount: Int {
    objects.byteCount + all.byteCount + cpus.byteCount + barns.byteCount
  }

  /// An empty sheaf. Complexity: O(1), amortised.
  mutating func make(_ cache: CacheID, capacity: Int, memory: Address = .null) -> ID<Sheaf> {
    precondition(capacity > 0 && capacity <= Int(UInt16.max), "no sheaf holds so many objects")
    let blockClass = SlabSizing.fls(capacity - 1)
    var id = unused[blockClass]
    if id.isNone {
      if used == all.count { all.grow(to: max(64, 2 * used), .blank) }
      let room = 1 << blockClass
      if objectsUsed + room > objects.count {
        objects.grow(to: max(2 * objects.count, objectsUsed + room, 1024), .none)
      }
      id = ID(used)
      all[id].base = Int32(objectsUsed)
      all[id].blockClass = UInt8(blockClass)
      used += 1
      objectsUsed += room
    } else {
      unused[blockClass] = all[id].next
    }
    (all[id].memory, all[id].next, all[id].size) = (memory, .none, 0)
    (all[id].capacity, all[id].cache) = (UInt16(capacity), UInt16(cache.index))
    (all[id].node, all[id].isInHand) = (.any, false)
    return id
  }

  /// Ends an empty sheaf.
  mutating func give(_ id: ID<Sheaf>) {
    precondition(all[id].size == 0, "a sheaf is freed with objects in it")
    (all[id].capacity, all[id].cache) = (0, .max)
    all[id].next = unused[Int(all[id].blockClass)]
    unused[Int(all[id].blockClass)] = id
  }

  @inline(__always) mutating func append(_ object: ObjectRef, to id: ID<Sheaf>) {
    precondition(all[id].size < all[id].capacity, "a full sheaf gets another object")
    objects[Int(all[id].base) &+ Int(all[id].size)] = object
    all[id].size &+= 1
  }

  @inline(__always) mutating func takeLast(of id: ID<Sheaf>) -> ObjectRef {
    all[id].size -= 1
    return objects[Int(all[id].base) &+ Int(all[id].size)]
  }

  /// Moves the last objects of one to the end of another: `count` of them, in their order.
  mutating func move(_ count: Int, from source: ID<Sheaf>, to target: ID<Sheaf>) {
    all[source].size -= UInt16(count)
    let first = Int(all[source].base) + Int(all[source].size)
    for place in 0..<count { append(objects[first + place], to: target) }
  }

  /// Takes the first `count` objects out. Complexity: O(the rest).
  mutating func removeFirst(_ count: Int, of id: ID<Sheaf>) {
    let (base, rest) = (Int(all[id].base), Int(all[id].size) - count)
    for place in 0..<rest { objects[base + place] = objects[base + count + place] }
    all[id].size = UInt16(rest)
  }

  @inline(__always) func isFull(_ id: ID<Sheaf>) -> Bool { all[id].size == all[id].capacity }
  @inline(__always) func isEmpty(_ id: ID<Sheaf>) -> Bool { all[id].size == 0 }
  /// How many more objects it has room for.
  @inline(__always) func room(in id: ID<Sheaf>) -> Int {
    Int(all[id].capacity) &- Int(all[id].size)
  }
}

/// The sheaves of a CPU. Each function is called with their lock.
extension Sheaves {
  /// Makes `id` the main sheaf of the CPU at `place`. Returns: the one that was.
  @inline(__always)
  @discardableResult
  mutating func setMain(_ id: ID<Sheaf>, at place: Int) -> ID<Sheaf> {
    let old = cpus[place].main
    storeMainSize(at: place)
    cpus[place].main = id
    cpus[place].base = all[id].base
    (cpus[place].size, cpus[place].capacity) = (all[id].size, all[id].capacity)
    return old
  }

  /// Writes the main sheaf's size into the sheaf itself, for who reads that.
  @inline(__always) mutating func storeMainSize(at place: Int) {
    if !cpus[place].main.isNone { all[cpus[place].main].size = cpus[place].size }
  }

  /// Main and spare change places. Kernel: `swap(pcs->main, pcs->spare)`.
  mutating func swapSpare(at place: Int) {
    cpus[place].spare = setMain(cpus[place].spare, at: place)
  }

  mutating func takeSpare(at place: Int) -> ID<Sheaf> {
    let spare = cpus[place].spare
    cpus[place].spare = .none
    return spare
  }

  mutating func takeRCUFree(at place: Int) -> ID<Sheaf> {
    let sheaf = cpus[place].rcuFree
    cpus[place].rcuFree = .none
    return sheaf
  }

  @inline(__always) mutating func pop(at place: Int) -> ObjectRef {
    precondition(cpus[place].size > 0, "an object is taken from an empty sheaf")
    cpus[place].size &-= 1
    return objects[Int(cpus[place].base) &+ Int(cpus[place].size)]
  }

  @inline(__always) mutating func push(_ object: ObjectRef, at place: Int) {
    precondition(cpus[place].size < cpus[place].capacity, "a full sheaf gets another object")
    objects[Int(cpus[place].base) &+ Int(cpus[place].size)] = object
    cpus[place].size &+= 1
  }

  /// Whether there is anything to flush. Kernel: `has_pcs_used()`.
  func isUsed(at place: Int) -> Bool {
    let mine = cpus[place]
    return mine.size > 0 || !mine.spare.isNone || !mine.rcuFree.isNone
  }
}

/// A barn's lists. Each function is called with the barn's lock.
extension Sheaves {
  /// Kernel: `list_add()` to `sheaves_full`.
  mutating func putFull(_ id: ID<Sheaf>, in barn: Int) {
    all[id].next = barns[barn].firstFull
    barns[barn].firstFull = id
    barns[barn].fullCount += 1
  }
  mutating func putEmpty(_ id: ID<Sheaf>, in barn: Int) {
    all[id].next = barns[barn].firstEmpty
    barns[barn].firstEmpty = id
    barns[barn].emptyCount += 1
  }
  /// Returns: `none` when there is none.
  mutating func takeFull(from barn: Int) -> ID<Sheaf> {
    let id = barns[barn].firstFull
    guard !id.isNone else { return id }
    barns[barn].firstFull = all[id].next
    barns[barn].fullCount -= 1
    return id
  }
  mutating func takeEmpty(from barn: Int) -> ID<Sheaf> {
    let id = barns[barn].firstEmpty
    guard !id.isNone else { return id }
    barns[barn].firstEmpty = all[id].next
    barns[barn].emptyCount -= 1
    return id
  }

  /// Takes both lists. Returns: the first of each, linked through `next`.
  mutating func takeAll(from barn: Int) -> (full: ID<Sheaf>, empty: ID<Sheaf>) {
    let lists = (full: barns[barn].firstFull, empty: barns[barn].firstEmpty)
    (barns[barn].firstFull, barns[barn].firstEmpty) = (.none, .none)
    (barns[barn].fullCount, barns[barn].emptyCount) = (0, 0)
    return lists
  }
}
