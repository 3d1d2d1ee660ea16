/// The allocators that were behind kmalloc. Kernel: CONFIG_SLUB, CONFIG_SLAB, CONFIG_SLOB.
package enum SlabKind: UInt8, CaseIterable, BitwiseCopyable, Sendable {
  case slub, slab, slob

  package struct Set: OptionSet, BitwiseCopyable, Sendable, Hashable {
    package let rawValue: UInt8
    package init(rawValue: UInt8) { self.rawValue = rawValue }
    package static let slub = Set(rawValue: 1)
    package static let slab = Set(rawValue: 2)
    package static let slob = Set(rawValue: 4)

    package func contains(_ kind: SlabKind) -> Bool { contains(Set(rawValue: 1 << kind.rawValue)) }
    /// `slub, slab`: as users write them.
    package var names: [String] { SlabKind.allCases.filter { contains($0) }.map(\.name) }
  }

  /// As scenarios write it.
  package var name: String { "\(self)" }

  /// Those whose paths are emulated; the sizes of the others are known.
  package static let emulated: Set = [.slub, .slab, .slob]
}
