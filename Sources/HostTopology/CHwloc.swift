import CHwloc
import Glibc
import Topology

/// hwloc's topology, loaded: the one place that touches its pointers. Values come out.
///
/// Only what a `MachineDescription` needs is discovered: no I/O, no memory attributes, no CPU
/// kinds, and no thread is bound anywhere for the sake of reading.
@safe struct HwlocTopology: ~Copyable {
  private let handle: hwloc_topology_t

  private init(adopting handle: hwloc_topology_t) {
    unsafe self.handle = handle
  }

  deinit {
    unsafe hwloc_topology_destroy(handle)
  }

  static func host() throws(TopologyError) -> HwlocTopology {
    let made = try make()
    return try made.loaded(
      orElse: TopologyError(
        .hostUnreadable, "hwloc cannot read this host's topology",
        hint: "see what `lstopo` says, or name a file or a synthetic string"))
  }

  /// - Parameter text: XML that `TopologyFile` has cleaned.
  static func xml(_ text: [UInt8], named name: String) throws(TopologyError) -> HwlocTopology {
    let refusal = TopologyError(
      .inconsistentXML, "hwloc refuses \(name): it describes no consistent machine",
      hint: "make the file anew with `lstopo machine.xml`")
    let made = try make()
    let status = unsafe text.withUnsafeBufferPointer { buffer in
      unsafe buffer.withMemoryRebound(to: CChar.self) { characters in
        unsafe hwloc_topology_set_xmlbuffer(
          made.handle, characters.baseAddress, Int32(characters.count))
      }
    }
    guard status == 0 else { throw refusal }
    return try made.loaded(orElse: refusal)
  }

  static func synthetic(_ string: String) throws(TopologyError) -> HwlocTopology {
    let made = try make()
    guard unsafe hwloc_topology_set_synthetic(made.handle, string) == 0 else {
      throw SyntheticString.diagnosis(string)
    }
    return try made.loaded(orElse: SyntheticString.diagnosis(string))
  }

  private static func make() throws(TopologyError) -> HwlocTopology {
    var handle: hwloc_topology_t?
    guard unsafe hwloc_topology_init(&handle) == 0, let made = unsafe handle else {
      throw TopologyError(.hostUnreadable, "hwloc does not start", hint: "see what `lstopo` says")
    }
    return unsafe HwlocTopology(adopting: made)
  }

  private consuming func loaded(
    orElse refusal: TopologyError
  ) throws(TopologyError) -> HwlocTopology {
    unsafe hwloc_topology_set_icache_types_filter(handle, HWLOC_TYPE_FILTER_KEEP_ALL)
    unsafe hwloc_topology_set_type_filter(handle, HWLOC_OBJ_MEMCACHE, HWLOC_TYPE_FILTER_KEEP_ALL)
    unsafe hwloc_topology_set_type_filter(handle, HWLOC_OBJ_DIE, HWLOC_TYPE_FILTER_KEEP_ALL)
    let flags =
      HWLOC_TOPOLOGY_FLAG_DONT_CHANGE_BINDING.rawValue | HWLOC_TOPOLOGY_FLAG_NO_MEMATTRS.rawValue
      | HWLOC_TOPOLOGY_FLAG_NO_CPUKINDS.rawValue
    unsafe hwloc_topology_set_flags(handle, UInt(flags))
    guard unsafe hwloc_topology_load(handle) == 0 else { throw refusal }
    return self
  }

  /// The tree without I/O, depth first.
  borrowing func objects() -> [HwlocObject] {
    var objects: [HwlocObject] = []
    if let root = unsafe hwloc_get_root_obj(handle) {
      unsafe Self.append(root, under: 0, to: &objects)
    }
    return objects
  }

  /// As deep as hwloc's tree: tens of levels.
  private static func append(
    _ object: hwloc_obj_t, under parent: Int, to objects: inout [HwlocObject]
  ) {
    let index = objects.count
    unsafe objects.append(value(object, parent: parent))
    var child = unsafe object.pointee.memory_first_child
    while let each = unsafe child {
      unsafe append(each, under: index, to: &objects)
      unsafe child = each.pointee.next_sibling
    }
    unsafe child = object.pointee.first_child
    while let each = unsafe child {
      unsafe append(each, under: index, to: &objects)
      unsafe child = each.pointee.next_sibling
    }
  }

  private static func value(_ object: hwloc_obj_t, parent: Int) -> HwlocObject {
    let kind = unsafe kind(object)
    let number = unsafe object.pointee.os_index
    var value = HwlocObject(
      kind: kind, parent: parent, osNumber: number == .max ? -1 : Int(number))
    guard let attributes = unsafe object.pointee.attr else { return value }
    switch kind {
    case .node:
      value.size = unsafe attributes.pointee.numanode.local_memory
    case .cache, .memorySideCache:
      value.size = unsafe attributes.pointee.cache.size
      value.lineSize = unsafe Int(attributes.pointee.cache.linesize)
    case .machine, .package, .die, .group, .core, .cpu, .other:
      break
    }
    return value
  }

  private static func kind(_ object: hwloc_obj_t) -> HwlocObject.Kind {
    switch unsafe object.pointee.type {
    case HWLOC_OBJ_MACHINE: return .machine
    case HWLOC_OBJ_PACKAGE: return .package
    case HWLOC_OBJ_DIE: return .die
    case HWLOC_OBJ_GROUP: return .group
    case HWLOC_OBJ_CORE: return .core
    case HWLOC_OBJ_PU: return .cpu
    case HWLOC_OBJ_NUMANODE: return .node
    case HWLOC_OBJ_MEMCACHE: return .memorySideCache
    default: break
    }
    guard unsafe hwloc_obj_type_is_cache(object.pointee.type) != 0,
      let attributes = unsafe object.pointee.attr
    else { return .other }
    let cache = unsafe attributes.pointee.cache
    return .cache(
      level: Int(cache.depth), instruction: cache.type == HWLOC_OBJ_CACHE_INSTRUCTION,
      unified: cache.type == HWLOC_OBJ_CACHE_UNIFIED)
  }

  /// The matrix of latencies between nodes, if the source has one: the firmware's SLIT
  /// ("NUMALatency") before any other.
  borrowing func latencies() -> LatencyMatrix? {
    var count: UInt32 = 8
    var found = unsafe [UnsafeMutablePointer<hwloc_distances_s>?](repeating: nil, count: 8)
    let status = unsafe hwloc_distances_get_by_type(
      handle, HWLOC_OBJ_NUMANODE, &count, &found,
      UInt(HWLOC_DISTANCES_KIND_MEANS_LATENCY.rawValue), 0)
    guard status == 0 else { return nil }
    var best: LatencyMatrix?
    for index in 0..<min(Int(count), 8) {
      guard let matrix = unsafe found[index] else { continue }
      if unsafe best == nil || Self.isFromFirmware(handle, matrix) {
        unsafe best = Self.value(matrix)
      }
      unsafe hwloc_distances_release(handle, matrix)
    }
    return best
  }

  private static func isFromFirmware(
    _ handle: hwloc_topology_t, _ matrix: UnsafeMutablePointer<hwloc_distances_s>
  ) -> Bool {
    guard let name = unsafe hwloc_distances_get_name(handle, matrix) else { return false }
    return unsafe strcmp(name, "NUMALatency") == 0
  }

  private static func value(_ matrix: UnsafeMutablePointer<hwloc_distances_s>) -> LatencyMatrix {
    let count = unsafe Int(matrix.pointee.nbobjs)
    var numbers: [Int] = []
    for index in 0..<count {
      guard let object = unsafe matrix.pointee.objs[index] else { continue }
      unsafe numbers.append(Int(object.pointee.os_index))
    }
    guard numbers.count == count else { return LatencyMatrix(osNumbers: [], values: []) }
    return LatencyMatrix(
      osNumbers: numbers, values: (0..<(count * count)).map { unsafe matrix.pointee.values[$0] })
  }
}

/// Makes hwloc say nothing and load no plugins: they look for graphics cards, take longer than all
/// the rest, and bring a second XML reader that prints. Who sets the variables himself wins.
func quietHwloc() {
  _ = environmentIsSet
}

/// Evaluated once, before hwloc's first call.
private let environmentIsSet: Void = {
  unsafe setenv("HWLOC_HIDE_ERRORS", "2", 0)
  unsafe setenv("HWLOC_PLUGINS_PATH", "/nonexistent", 0)
}()
