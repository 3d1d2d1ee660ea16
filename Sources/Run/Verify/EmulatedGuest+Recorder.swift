import Hardware
import Kernel

/// What the recorder itself did to the kernel that it recorded, where it shows.
///
/// It gave its orders through files. The name of a file that is opened is an object of names_cache,
/// PATH_MAX bytes long. SLUB and SLAB keep such objects at hand, so nothing of it shows; SLOB gives
/// an object as large as a page as a page, straight from the page allocator, and takes it back.
/// So each operation of SLOB's lists, also one that touches no memory, has a few pages allocated and
/// freed that are not its own: the same number in every boot.
///
/// Kernel: `getname_flags()` (fs/namei.c), `slob_alloc_node()` (mm/slob.c; 6.1).
struct RecorderFiles: Equatable {
  /// Names looked up while events were on.
  var opened: Int
  /// Names from before that, given back while they were on.
  var returned = 1

  /// One to end the recording; one to order the operation, where it is not to wait; two more where
  /// flushes were recorded with functions' counts. Source: all lists of 6.1slob of the ground truth
  /// recordings, whatever their operations do.
  init(for operation: OperationKind, recordsFlushes: Bool) {
    opened = recordsFlushes ? 4 : 2
    if case .settle = operation { opened -= 1 }
  }
}

extension EmulatedGuest {
  /// Kernel: `names_cachep` (fs/dcache.c, 6.1), PATH_MAX. Unit: bytes.
  private static let nameBytes = 4096

  /// Whether the recorder's files show in the counts.
  var showsFiles: Bool { slab == .slob }

  /// An object for a path's name. Its thread is on CPU 0.
  mutating func openName() -> Address? {
    guard showsFiles else { return nil }
    let known = machine.world.slab.cache(named: "names_cache")
    guard
      let cache = known
        ?? machine.world.slab.declare(
          "names_cache", objectSize: EmulatedGuest.nameBytes, flags: .hwCacheAlign)
    else { return nil }
    if known == nil { _ = call([.kmemCacheCreate(.start(cache))], at: .any) }
    let frame = Frame.kmemCacheAlloc(.start(cache: cache, gfp: .kernel, node: .any))
    return call([frame], at: .any).first?.address
  }

  mutating func closeName(_ name: Address?) {
    guard let name, let cache = machine.world.slab.cache(named: "names_cache") else { return }
    _ = call([.kmemCacheFree(.start(cache, name))], at: .any)
  }

  /// Opens and closes the files of an operation.
  mutating func use(_ files: RecorderFiles) {
    for _ in 0..<files.opened { closeName(openName()) }
  }

  /// Blocks that others hold, one of each list: where pages are shared by all, hardly any is found
  /// wholly free. Sizes from the middle of each list's range.
  mutating func holdBlocks() {
    guard slab == .slob else { return }
    _ = call(
      [64, 512, 2048].map { .kmalloc(.start(size: $0, gfp: .kernel, node: .any)) }, at: .any)
  }
}
