import Hardware
import Simulation

/// Memory by kmalloc if that is easily had, else by vmalloc. Replies with the address, or null.
///
/// Kernel: `__kvmalloc_node()`, `kmalloc_gfp_adjust()` (mm/util.c, 6.12).
package enum Kvmalloc: Path {
  case start(bytes: UInt64, gfp: GFPFlags, node: NodeID)
  case kmallocTried(bytes: UInt64, gfp: GFPFlags, node: NodeID)
  case vmallocTried

  package static var name: PathName { .__kvmalloc_node }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start(let bytes, let gfp, let node):
      // Above this kmalloc fails at once, and silently, by the mask that it would be given.
      guard bytes <= Kvmalloc.bytesMax else {
        if !gfp.contains(.noWarn) {
          world.warn("WARNING: __kvmalloc_node: size \(bytes) is above INT_MAX", on: cpu)
        }
        return .return(.address(.null))
      }
      let adjusted = Kvmalloc.adjusted(gfp, bytes: bytes, world.version.vmalloc.kvmalloc)
      return ask(
        .call(.kmalloc(.start(size: UInt32(bytes), gfp: adjusted, node: node))),
        then: .kmallocTried(bytes: bytes, gfp: gfp, node: node))
    case .kmallocTried(let bytes, let gfp, let node):
      let rule = world.version.vmalloc.kvmalloc
      guard reply.address == .null, bytes > 4096, Kvmalloc.mayEndInVmalloc(gfp, rule) else {
        return .return(reply)
      }
      let pages = Int32((bytes + 4095) >> 12)
      var flags: VmallocFlags = gfp.allowsBlocking ? .allowsHuge : []
      if bytes & 4095 != 0 { flags.insert(.partialLastPage) }
      return ask(
        .call(.vmalloc(.start(pages: pages, gfp: gfp, node: node, flags: flags))),
        then: .vmallocTried)
    case .vmallocTried: return .return(reply)
    }
  }

  /// Unit: bytes. Kernel: `INT_MAX`.
  static let bytesMax: UInt64 = 1 << 31 - 1

  /// The mask that kmalloc is tried with: above a page no warning, no hard trying.
  package static func adjusted(
    _ gfp: GFPFlags, bytes: UInt64, _ rule: VmallocRules.KvmallocRule
  ) -> GFPFlags {
    guard bytes > 4096, mayEndInVmalloc(gfp, rule) || rule != .kernelOnly else { return gfp }
    let quiet = gfp.union(.noWarn)
    switch rule {
    case .kernelOnly: return gfp.contains(.retryMayFail) ? quiet : quiet.union(.noRetry)
    case .blockingNoRetry:
      let mayFail = quiet.subtracting(.noFail)
      return gfp.contains(.retryMayFail) ? mayFail : mayFail.union(.noRetry)
    case .blockingNoReclaim, .any:
      let mayFail = quiet.subtracting(.noFail)
      return gfp.contains(.retryMayFail) ? mayFail : mayFail.subtracting(.directReclaim)
    }
  }

  /// Whether a release gives up kmalloc for vmalloc with this mask.
  static func mayEndInVmalloc(_ gfp: GFPFlags, _ rule: VmallocRules.KvmallocRule) -> Bool {
    switch rule {
    case .kernelOnly: gfp.isSuperset(of: .kernel)
    case .blockingNoRetry, .blockingNoReclaim: gfp.allowsBlocking
    case .any: true
    }
  }
}

/// Frees what kvmalloc gave. Kernel: `kvfree()` (mm/util.c, 6.12).
package enum Kvfree: Path {
  case start(Address)
  case done

  package static var name: PathName { .kvfree }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start(let address):
      guard world.vmalloc.isVmalloc(address) else {
        return ask(.call(.kfree(.start(address))), then: .done)
      }
      return ask(.call(.vfree(.start(address))), then: .done)
    case .done: return .return()
    }
  }
}
