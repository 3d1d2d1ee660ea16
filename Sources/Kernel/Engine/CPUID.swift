import Simulation

package typealias CPUID = ID<CPU>

/// A NUMA node: its dense number in the machine. 255 (`any`) is Linux's `NUMA_NO_NODE`.
package struct NodeID: BitwiseCopyable, Hashable, Comparable, Sendable {
  package let raw: UInt8
  package init(_ index: Int) { raw = UInt8(truncatingIfNeeded: index) }
  package var index: Int { Int(raw) }
  /// No node asked for. Kernel: `NUMA_NO_NODE` (-1).
  package static var any: NodeID { NodeID(255) }
  package static func < (a: NodeID, b: NodeID) -> Bool { a.raw < b.raw }
}
