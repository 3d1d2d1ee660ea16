/// A kernel release: data that paths read. A new one is a value made from its predecessor, in a
/// file of its own, each field with the kernel file that shows it.
package struct KernelVersion: Sendable {
  /// As users write it: `6.12`.
  package var name: String
  package var slab: SlabRules
  package var vmalloc: VmallocRules

  func successor(_ name: String, _ change: (inout Self) -> Void) -> Self {
    var version = self
    version.name = name
    change(&version)
    return version
  }

  /// Every release with a value, oldest first. One between two of them means the older one.
  package static let all: [KernelVersion] = [.v6_12]
}
