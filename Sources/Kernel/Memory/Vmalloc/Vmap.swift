import Hardware
import Simulation

/// Maps pages of the caller's for as long as it likes, in an area of their own. Replies with the
/// address, or null.
///
/// Kernel: `vmap()` (mm/vmalloc.c, 6.12). Not modelled: pages that are not consecutive,
/// VM_MAP_PUT_PAGES.
package enum Vmap: Path {
  case start(first: PFN, count: Int32)
  case areaGot(ID<VmallocCall>)
  case mapped(ID<VmallocCall>)
  case undone

  package static var name: PathName { .vmap }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start(let first, let count):
      world.mightSleep(on: cpu, "vmap may sleep")
      guard count > 0, count <= world.vmalloc.totalRAMPages else {
        return .return(.address(.null))
      }
      var record = VmallocCall(pages: count, gfp: .kernel, node: .any)
      record.source = first
      let call = world.vmalloc.calls.take(record)
      return ask(.call(.getVMArea(.start(call))), then: .areaGot(call))
    case .areaGot(let call):
      guard reply.bool else {
        world.vmalloc.calls.give(call)
        return .return(.address(.null))
      }
      return ask(.call(.vmapPagesRange(.start(call))), then: .mapped(call))
    case .mapped(let call):
      let address = world.vmalloc.calls[call].address
      world.vmalloc.calls.give(call)
      guard !reply.bool else { return .return(.address(address)) }
      return ask(.call(.vunmap(.start(address))), then: .undone)
    case .undone: return .return(.address(.null))
    }
  }
}

/// Unmaps what vmap mapped. Kernel: `vunmap()` (mm/vmalloc.c, 6.12).
package enum Vunmap: Path {
  case start(Address)
  case removed(Address)
  case done

  package static var name: PathName { .vunmap }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start(let address):
      guard !world.cpus[cpu].preemptCount.inInterrupt else {
        world.complain(
          .badContext, "vunmap in interrupt context is BUG_ON(in_interrupt())", on: cpu)
        return .return()
      }
      world.mightSleep(on: cpu, "vunmap may sleep")
      guard address != .null else { return .return() }
      return ask(.call(.removeVMArea(.start(address))), then: .removed(address))
    case .removed(let address):
      guard reply.number >= 0 else {
        world.complain(
          .badFree, "Trying to vunmap() nonexistent vm area (\(hex(address)))", on: cpu)
        return .return()
      }
      let vm = VmStructID(reply.number)
      let object = world.vmalloc.vms[vm].object
      world.vmalloc.vms.give(vm)
      return ask(.call(.kfree(.start(object))), then: .done)
    case .done: return .return()
    }
  }
}
