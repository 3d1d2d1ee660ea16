import Hardware
import Simulation

/// Makes memory of kvmalloc larger. Replies with the address, or null.
///
/// To 6.11 the caller says how large it was; what is not to grow stays as it is, all else is new
/// memory of kvmalloc and a copy. From 6.12 on vmalloc memory is `Vrealloc`'s; memory of kmalloc is
/// krealloc's, with the mask that kvmalloc would try first, and if that fails a copy in new memory
/// of kvmalloc. So what has once become vmalloc memory stays it.
///
/// Kernel: `kvrealloc()` (mm/util.c, 5.15; mm/slub.c, 6.12).
package enum Kvrealloc: Path {
  case start(ID<Reallocation>)
  case kreallocTried(ID<Reallocation>)
  case grown(ID<Reallocation>)
  case copied(ID<Reallocation>)
  case freed(Address)
  case vreallocDone

  /// The call; the record that holds its arguments is given back when it returns.
  package static func frame(
    _ address: Address, bytes: UInt64, oldBytes: UInt64, gfp: GFPFlags, _ world: inout World
  ) -> Frame {
    let call = Reallocation(address: address, bytes: bytes, oldBytes: oldBytes, gfp: gfp)
    return .kvrealloc(.start(world.vmalloc.reallocations.take(call)))
  }

  package static var name: PathName { .kvrealloc }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start(let id): return begin(id, &world)
    case .kreallocTried(let id):
      guard reply.address == .null else {
        world.vmalloc.reallocations.give(id)
        return .return(reply)
      }
      let old = world.vmalloc.reallocations[id].address
      world.vmalloc.reallocations[id].oldBytes =
        old.isZeroOrNull ? 0 : UInt64(world.slab.size(of: old))
      return grow(id, &world)
    case .grown(let id):
      let call = world.vmalloc.reallocations[id]
      guard reply.address != .null, !call.address.isZeroOrNull else {
        world.vmalloc.reallocations.give(id)
        return .return(reply)
      }
      world.vmalloc.reallocations[id].result = reply.address
      return ask(.work(.zeroLine, times: call.lines), then: .copied(id))
    case .copied(let id):
      let call = world.vmalloc.reallocations[id]
      world.vmalloc.reallocations.give(id)
      return ask(.call(.kvfree(.start(call.address))), then: .freed(call.result))
    case .freed(let result): return .return(.address(result))
    case .vreallocDone: return .return(reply)
    }
  }

  private mutating func begin(_ id: ID<Reallocation>, _ world: inout World) -> Step {
    let call = world.vmalloc.reallocations[id]
    guard world.version.vmalloc.reallocation == .byAllocators else {
      guard call.bytes > call.oldBytes else {
        world.vmalloc.reallocations.give(id)
        return .return(.address(call.address))
      }
      return grow(id, &world)
    }
    guard !world.vmalloc.isVmalloc(call.address) else {
      return ask(.call(.vrealloc(.start(id))), then: .vreallocDone)
    }
    let gfp = Kvmalloc.adjusted(call.gfp, bytes: call.bytes, world.version.vmalloc.kvmalloc)
    let krealloc = Krealloc.frame(
      call.address, size: UInt32(clamping: call.bytes), gfp: gfp, &world)
    return ask(.call(krealloc), then: .kreallocTried(id))
  }

  private mutating func grow(_ id: ID<Reallocation>, _ world: inout World) -> Step {
    let call = world.vmalloc.reallocations[id]
    return ask(
      .call(.kvmalloc(.start(bytes: call.bytes, gfp: call.gfp, node: .any))), then: .grown(id))
  }
}
