/// What the kernel asks for in some of its own caches and neither sysfs nor slabinfo shows.
///
/// A cache's size follows from object size, alignment and flags, which sysfs prints. Two wishes it
/// does not print: where the free pointer lies, and the capacity of sheaves that was asked for. So
/// they stand here, by the cache's name, each with where the kernel asks. A cache that is not here
/// asks for nothing. A merged cache (`:0000192`) keeps no name; none of these merge.
package struct KnownCache: Sendable, Equatable {
  package let name: String
  /// The first release that asks so, up to which another entry of the name holds.
  package let since: String
  package let flags: SlabFlags
  /// Objects of a sheaf; 0 asks for none.
  package let sheaf: Int

  package static let all: [KnownCache] = [
    // Kernel: `create_boot_cache()` (mm/slab_common.c, 2.6.24 and 7.0).
    KnownCache("kmem_cache", since: "2.6.24", [.boot]),
    KnownCache("kmem_cache_node", since: "2.6.24", [.boot]),
    // Kernel: `files_init()` (fs/file_table.c, 6.12): `f_freeptr`.
    KnownCache("filp", since: "6.12", [.freePointerInside]),
    KnownCache("bfilp", since: "6.12", [.freePointerInside]),
    // Kernel: `proc_caches_init()` (kernel/fork.c, 6.15), `vma_state_init()` (mm/vma_init.c, 6.16,
    // and 6.18 with the sheaves): `vm_freeptr`.
    KnownCache("vm_area_struct", since: "6.15", [.freePointerInside]),
    KnownCache("vm_area_struct", since: "6.18", [.freePointerInside], sheaf: 32),
    // Kernel: `maple_tree_init()` (lib/maple_tree.c, 6.18).
    KnownCache("maple_node", since: "6.18", [], sheaf: 32),
    // Kernel: `tcp_prot` (net/ipv4/tcp_ipv4.c, 7.2): as the recorded size of 7.2 has it.
    KnownCache("TCP", since: "7.2", [.freePointerInside]),
    KnownCache("TCPv6", since: "7.2", [.freePointerInside]),
  ]

  init(_ name: String, since: String, _ flags: SlabFlags, sheaf: Int = 0) {
    (self.name, self.since, self.flags, self.sheaf) = (name, since, flags, sheaf)
  }

  /// What a cache of this name asks for in a release; nil where it is not known to ask.
  package static func named(_ name: String, in release: String) -> KnownCache? {
    guard let number = KernelNumber(release) else { return nil }
    return all.last { $0.name == name && KernelNumber($0.since)! <= number }
  }
}
