/// For each object of hwloc's tree: in what it lies, and which CPUs lie in it.
///
/// One pass down hands the enclosing objects from parent to child, one pass up collects CPUs.
/// Complexity: O(objects + CPUs × depth).
struct Places {
  private let objects: [HwlocObject]
  private(set) var package: [Int?]
  private(set) var die: [Int?]
  /// The outermost Group inside a package: a cluster, a sub-NUMA half.
  private(set) var group: [Int?]
  /// The outermost cache that holds data.
  private(set) var llc: [Int?]
  private(set) var core: [Int?]
  /// The node built closest around it; of several at one place the first by OS number.
  private(set) var node: [Int?]
  /// CPU objects at or below it.
  private(set) var cpus: [[Int]]

  init(_ objects: [HwlocObject]) {
    let none = [Int?](repeating: nil, count: objects.count)
    self.objects = objects
    (package, die, group, llc, core, node) = (none, none, none, none, none, none)
    cpus = Array(repeating: [], count: objects.count)
    for index in objects.indices { inherit(index) }
    for index in objects.indices where objects[index].kind == .cpu {
      var place = index
      while true {
        cpus[place].append(index)
        if place == objects[place].parent { break }
        place = objects[place].parent
      }
    }
  }

  private mutating func inherit(_ index: Int) {
    let parent = objects[index].parent
    if parent != index {
      (package[index], die[index], group[index]) = (package[parent], die[parent], group[parent])
      (llc[index], core[index]) = (llc[parent], core[parent])
      // A node of its own may have been noted already: memory comes before CPUs in the list.
      if node[index] == nil { node[index] = node[parent] }
    }
    switch objects[index].kind {
    case .package: package[index] = index
    case .die: die[index] = index
    case .group: if package[index] != nil, group[index] == nil { group[index] = index }
    case .core: core[index] = index
    case .cache(_, let instruction, _):
      if !instruction, llc[index] == nil { llc[index] = index }
    case .node: offer(index, to: owner(of: index))
    case .machine, .cpu, .memorySideCache, .other: break
    }
  }

  /// Notes a node at the place it is attached to. What lies there before it was inherited.
  private mutating func offer(_ candidate: Int, to place: Int) {
    if let known = node[place], owner(of: known) == place,
      objects[known].osNumber <= objects[candidate].osNumber
    {
      return
    }
    node[place] = candidate
  }

  /// The object whose CPUs are local to a memory object; of others the object itself.
  func owner(of index: Int) -> Int {
    var place = index
    while objects[place].kind == .node || objects[place].kind == .memorySideCache,
      place != objects[place].parent
    {
      place = objects[place].parent
    }
    return place
  }
}
