import Hardware
import Simulation

/// Says how many bytes of an object may be used. Returns: 0 of NULL and of the zero-size pointer.
///
/// Kernel: `ksize()` → `__ksize()` (mm/slab_common.c, 6.12).
package enum Ksize: Path {
  case start(Address)
  case looked(Address)

  package static var name: PathName { .ksize }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start(let address): return ask(.ahead(.kmallocLookup), then: .looked(address))
    case .looked(let address):
      guard !address.isZeroOrNull else { return .return(.number(0)) }
      let size = world.slab.size(of: address)
      if size == 0 { world.complainOfStaleTouch(address, on: cpu) }
      return .return(.number(size))
    }
  }
}

/// Frees what must not be read afterwards: all bytes of the object are zeroed first, those beyond
/// the size asked for too.
///
/// Kernel: `kfree_sensitive()` (mm/slab_common.c, 6.12; `kzfree()` up to 5.8).
package enum KfreeSensitive: Path {
  case start(Address)
  case sized(Address)
  case zeroed(Address)
  case freed

  package static var name: PathName { .kfree_sensitive }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start(let address):
      guard !address.isZeroOrNull else { return .return() }
      return ask(.call(.ksize(.start(address))), then: .sized(address))
    case .sized(let address):
      let lines = Int32(clamping: (reply.number + 63) / 64)
      return ask(.work(.zeroLine, times: max(lines, 1)), then: .zeroed(address))
    case .zeroed(let address): return ask(.call(.kfree(.start(address))), then: .freed)
    case .freed: return .return()
    }
  }
}
