import Hardware
import Simulation

/// Maps a few pages of the caller's for a short while: out of a block of this CPU's, or, if they are
/// many, in an area of their own. Replies with the address, or null.
///
/// Kernel: `vm_map_ram()` (mm/vmalloc.c, 6.12). Not modelled: pages that are not consecutive.
package enum VMMapRAM: Path {
  case start(first: PFN, count: Int32)
  case blockGot(ID<VmallocCall>)
  case areaGot(ID<VmallocCall>)
  case mapped(ID<VmallocCall>)
  case undone

  package static var name: PathName { .vm_map_ram }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start(let first, let count):
      guard count > 0 else { return .return(.address(.null)) }
      var record = VmallocCall(pages: count, gfp: .kernel, node: .any, flags: .noGuard)
      record.source = first
      let call = world.vmalloc.calls.take(record)
      guard count > world.vmalloc.blocks.mappingMax else {
        return ask(.call(.vbAlloc(.start(call))), then: .blockGot(call))
      }
      return ask(.call(world.vmalloc.addressSearch(call)), then: .areaGot(call))
    case .blockGot(let call):
      guard reply.address != .null else { return fail(call, &world) }
      world.vmalloc.calls[call].address = reply.address
      return ask(.call(.vmapPagesRange(.start(call))), then: .mapped(call))
    case .areaGot(let call):
      guard reply.bool else { return fail(call, &world) }
      return ask(.call(.vmapPagesRange(.start(call))), then: .mapped(call))
    case .mapped(let call):
      let record = world.vmalloc.calls[call]
      world.vmalloc.calls.give(call)
      guard !reply.bool else { return .return(.address(record.address)) }
      let undo = VMUnmapRAM.start(record.address, count: record.pages)
      return ask(.call(.vmUnmapRAM(undo)), then: .undone)
    case .undone: return .return(.address(.null))
    }
  }

  private func fail(_ call: ID<VmallocCall>, _ world: inout World) -> Step {
    world.vmalloc.statistics.failures += 1
    world.vmalloc.calls.give(call)
    return .return(.address(.null))
  }
}

/// Unmaps what `VMMapRAM` mapped; the pages stay the caller's.
///
/// Kernel: `vm_unmap_ram()` (mm/vmalloc.c, 6.12).
package enum VMUnmapRAM: Path {
  case start(Address, count: Int32)
  case found(Address)
  case done

  package static var name: PathName { .vm_unmap_ram }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start(let address, let count):
      world.mightSleep(on: cpu, "vm_unmap_ram may sleep")
      guard world.vmalloc.isVmalloc(address) else { return complain(address, &world, cpu) }
      guard count > world.vmalloc.blocks.mappingMax else {
        return ask(.call(.vbFree(.start(address, pages: count))), then: .done)
      }
      return ask(.call(.findUnlinkVmapArea(.start(address))), then: .found(address))
    case .found(let address):
      guard reply.number >= 0 else { return complain(address, &world, cpu) }
      return ask(
        .call(.freeUnmapVmapArea(.start(VmapAreaID(reply.number)))), then: .done)
    case .done: return .return()
    }
  }

  private func complain(_ address: Address, _ world: inout World, _ cpu: CPUID) -> Step {
    world.complain(
      .badFree, "vm_unmap_ram() of \(hex(address)), where nothing is mapped", on: cpu)
    return .return()
  }
}
