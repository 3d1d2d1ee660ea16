import Hardware
import Simulation

/// What a call that makes memory larger was called with: too much for a frame.
package struct Reallocation: BitwiseCopyable {
  var address = Address.null
  /// Unit: bytes.
  var bytes: UInt64 = 0
  /// How large it was, as the caller says where the release asks him. Unit: bytes.
  var oldBytes: UInt64 = 0
  var gfp: GFPFlags = []
  var result = Address.null
}

/// Makes vmalloc memory larger: in its area as long as there are pages, else in a new one, to which
/// the old pages are copied. A smaller size changes nothing but what Linux writes down.
///
/// Replies with the address; null if there is no memory, when all stays as it was, or if no bytes
/// were asked for, when it was freed.
///
/// Kernel: `vrealloc()` (mm/vmalloc.c, 6.12; 7.0). Not modelled: `requested_size`, so whole pages
/// are copied.
package enum Vrealloc: Path {
  case start(ID<Reallocation>)
  case found(ID<Reallocation>)
  case grown(ID<Reallocation>)
  case copied(ID<Reallocation>)
  case freed(Address)

  /// The call; the record that holds its arguments is given back when it returns.
  package static func frame(
    _ address: Address, bytes: UInt64, gfp: GFPFlags, _ world: inout World
  ) -> Frame {
    let call = Reallocation(address: address, bytes: bytes, gfp: gfp)
    return .vrealloc(.start(world.vmalloc.reallocations.take(call)))
  }

  package static var name: PathName { .vrealloc }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start(let id):
      let call = world.vmalloc.reallocations[id]
      guard call.bytes > 0 else {
        world.vmalloc.reallocations.give(id)
        return ask(.call(.vfree(.start(call.address))), then: .freed(.null))
      }
      guard call.address != .null else { return grow(id, &world) }
      return ask(.call(.findVMArea(.start(call.address))), then: .found(id))
    case .found(let id):
      let call = world.vmalloc.reallocations[id]
      guard reply.number >= 0 else {
        world.vmalloc.reallocations.give(id)
        world.complainOfNoArea(call.address, on: cpu)
        return .return(.address(.null))
      }
      let pages = world.vmalloc.vms[VmStructID(reply.number)].sizePages - 1
      world.vmalloc.reallocations[id].oldBytes = UInt64(pages) << 12
      guard call.bytes > UInt64(pages) << 12 else {
        world.vmalloc.reallocations.give(id)
        return .return(.address(call.address))
      }
      return grow(id, &world)
    case .grown(let id):
      let call = world.vmalloc.reallocations[id]
      guard reply.address != .null, call.address != .null else {
        world.vmalloc.reallocations.give(id)
        return .return(reply)
      }
      world.vmalloc.reallocations[id].result = reply.address
      return ask(.work(.zeroLine, times: call.lines), then: .copied(id))
    case .copied(let id):
      let call = world.vmalloc.reallocations[id]
      world.vmalloc.reallocations.give(id)
      return ask(.call(.vfree(.start(call.address))), then: .freed(call.result))
    case .freed(let result): return .return(.address(result))
    }
  }

  private mutating func grow(_ id: ID<Reallocation>, _ world: inout World) -> Step {
    let call = world.vmalloc.reallocations[id]
    let pages = Int32(clamping: (call.bytes + 4095) >> 12)
    return ask(
      .call(.vmalloc(.start(pages: pages, gfp: call.gfp, node: .any))), then: .grown(id))
  }
}

extension Reallocation {
  /// Cache lines that a copy of the old memory reads and writes.
  var lines: Int32 { Int32(clamping: max((oldBytes + 63) / 64, 1)) }
}

/// Finds what begins at an address, without taking it out. Replies with the number of its
/// `vm_struct`, or -1.
///
/// Kernel: `find_vm_area()` (mm/vmalloc.c, 6.12).
package enum FindVMArea: Path {
  case start(Address)
  case locked(Address, VmapNodeID)
  case searched(Address, VmStructID, VmapNodeID)
  case nextNode(Address, VmapNodeID)
  case found(VmStructID)

  package static var name: PathName { .find_vm_area }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start(let address): return lock(world.vmalloc.nodes.node(of: address.raw), address, world)
    case .locked(let address, let node):
      let (area, visited) = world.vmalloc.unlinkBusy(address.raw, node, stays: true)
      let vm = area.map { world.vmalloc.areas[$0].vm } ?? .none
      return ask(.work(.treeStep, times: max(visited, 1)), then: .searched(address, vm, node))
    case .searched(let address, let vm, let node):
      let lock = world.vmalloc.busyLock(node)
      return ask(.release(lock), then: vm.isNone ? .nextNode(address, node) : .found(vm))
    case .nextNode(let address, let node):
      let next = VmapNodeID((node.index + 1) % world.vmalloc.nodes.count)
      guard next != world.vmalloc.nodes.node(of: address.raw) else { return .return(.number(-1)) }
      return lock(next, address, world)
    case .found(let vm): return .return(.number(vm.index))
    }
  }

  private mutating func lock(
    _ node: VmapNodeID, _ address: Address, _ world: borrowing World
  ) -> Step {
    ask(.acquire(world.vmalloc.busyLock(node)), then: .locked(address, node))
  }
}

extension World {
  /// Kernel: the `WARN()` of `vrealloc()`.
  fileprivate mutating func complainOfNoArea(_ address: Address, on cpu: CPUID) {
    let text = "Trying to vrealloc() nonexistent vm area (\(hex(address)))"
    if !vmalloc.isVmalloc(address) {
      complain(
        .badAddress,
        text
          + ": it is no vmalloc address. Use krealloc() for what kmalloc returned, or kvrealloc()"
          + " where it may be either.", on: cpu)
    } else if vmalloc.isLazy(address.raw) {
      complain(.useAfterFree, text + ": it was freed and waits for a purge", on: cpu)
    } else {
      complain(.badAddress, text, on: cpu)
    }
  }
}

extension VmallocState {
  /// What an area in use that begins at `address` holds; 0 where there is none. Unit: bytes.
  func size(of address: Address) -> Int {
    guard let area = areas.find(address.raw, in: nodes[nodes.node(of: address.raw)].busy).area,
      !areas[area].vm.isNone
    else { return 0 }
    return Int(vms[areas[area].vm].sizePages - 1) << 12
  }
}
