import Simulation

/// Looks for free addresses among the areas that are there, one after the other: what vmalloc did
/// before it kept what is free.
///
/// From 2.6.39 on a search begins where the last area was found, as long as no hole before it could
/// do: `cachedHole` is the largest that was passed. Knows no lock and no time; a visited area is one
/// step of the caller's.
///
/// Kernel: `alloc_vmap_area()` (mm/vmalloc.c; 2.6.28, 4.19), `free_vmap_cache` and its fellows;
/// `__get_vm_area_node()` (mm/vmalloc.c, 2.6.27).
package struct HoleSearch: BitwiseCopyable {
  /// The area found last. Kernel: `free_vmap_cache`.
  package internal(set) var cached = VmapAreaID.none
  /// The largest hole passed before it. Unit: bytes. Kernel: `cached_hole_size`.
  package internal(set) var cachedHole: UInt64 = 0
  private var cachedStart: UInt64 = 0
  private var cachedAlign: UInt64 = 0

  package init() {}

  package struct Request: BitwiseCopyable {
    package let size: UInt64
    package let align: UInt64
    package let lower: UInt64
    /// The last place that may be used, plus one.
    package let upper: UInt64
    /// Left between areas.
    package let gap: UInt64
    package init(size: UInt64, align: UInt64, lower: UInt64, upper: UInt64, gap: UInt64 = 0) {
      (self.size, self.align) = (size, align)
      (self.lower, self.upper, self.gap) = (lower, upper, gap)
    }
    func aligned(_ address: UInt64) -> UInt64 { (address &+ (align - 1)) & ~(align - 1) }
  }

  /// The lowest place from the head of the list on. Complexity: O(areas).
  package static func fromHead(
    _ request: Request, in tree: VmapTree, _ areas: borrowing VmapAreas
  ) -> (start: UInt64?, visited: Int32) {
    walk(request, at: request.aligned(request.lower), from: tree.first, areas)
  }

  /// The lowest place: down the tree to the first area behind the lower end, on from there.
  package static func down(
    _ request: Request, in tree: VmapTree, _ areas: borrowing VmapAreas
  ) -> (start: UInt64?, visited: Int32) {
    let address = request.aligned(request.lower)
    let (first, passed) = areas.firstEnding(from: address, in: tree)
    let found = walk(request, at: address, from: first, areas)
    return (found.start, found.visited + passed)
  }

  private static func walk(
    _ request: Request, at start: UInt64, from first: VmapAreaID, _ areas: borrowing VmapAreas
  ) -> (start: UInt64?, visited: Int32) {
    var (address, area, visited) = (start, first, Int32(0))
    while !area.isNone, address &+ request.size > areas[area].start,
      address &+ request.size <= request.upper
    {
      visited += 1
      address = max(address, request.aligned(areas[area].end &+ request.gap))
      area = areas[area].next
    }
    return (address &+ request.size <= request.upper ? address : nil, visited)
  }

  /// The place from the cached one on, or from the lower end where that cannot be used.
  package mutating func fromCache(
    _ request: Request, in tree: VmapTree, _ areas: borrowing VmapAreas
  ) -> (start: UInt64?, visited: Int32) {
    let isStale =
      cached.isNone || request.size < cachedHole || request.lower < cachedStart
      || request.align < cachedAlign
      || request.aligned(areas[cached].end &+ request.gap) < request.lower
    if isStale { (cachedHole, cached) = (0, .none) }
    (cachedStart, cachedAlign) = (request.lower, request.align)
    var (address, first, visited) = (UInt64(0), cached, Int32(0))
    if first.isNone {
      address = request.aligned(request.lower)
      (first, visited) = areas.firstEnding(from: address, in: tree)
    } else {
      address = request.aligned(areas[first].end &+ request.gap)
    }
    while !first.isNone, address &+ request.size > areas[first].start,
      address &+ request.size <= request.upper
    {
      visited += 1
      if address &+ cachedHole < areas[first].start { cachedHole = areas[first].start - address }
      address = request.aligned(areas[first].end &+ request.gap)
      first = areas[first].next
    }
    return (address &+ request.size <= request.upper ? address : nil, visited)
  }

  /// The area at the place that was found is in the tree.
  package mutating func note(found area: VmapAreaID) { cached = area }

  /// An area is about to leave the tree. Kernel: `__free_vmap_area()` (mm/vmalloc.c, 4.19).
  package mutating func note(leaving area: VmapAreaID, _ areas: borrowing VmapAreas) {
    guard !cached.isNone else { return }
    if areas[area].end < cachedStart {
      cached = .none
    } else if areas[area].start <= areas[cached].start {
      cached = areas[area].previous
    }
  }
}

extension VmapAreas {
  /// The first area that ends at or behind `address`. Complexity: O(log areas).
  func firstEnding(from address: UInt64, in tree: VmapTree) -> (area: VmapAreaID, visited: Int32) {
    var (area, first, visited) = (tree.root, VmapAreaID.none, Int32(0))
    while !area.isNone {
      visited += 1
      if pool[area].end >= address {
        first = area
        if pool[area].start <= address { break }
        area = pool[area].children[0]
      } else {
        area = pool[area].children[1]
      }
    }
    return (first, visited)
  }
}
