import Hardware
import Simulation

/// Gives an area back: unmapped at once, its addresses later, its pages now, one by one.
///
/// In an interrupt, or with bottom halves off, it leaves that to `VfreeAtomic`. With preemption off
/// it complains, and goes on.
///
/// Kernel: `vfree()` (mm/vmalloc.c, 6.12).
/// Not modelled: VM_FLUSH_RESET_PERMS, memcg accounting.
package enum Vfree: Path {
  case start(Address)
  case removed(Address)
  case permissionsReset(VmStructID)
  case freeing(VmStructID, taken: Int32)
  case resched(VmStructID, taken: Int32)
  case pagesCounted(VmStructID)
  case arrayFreed(VmStructID)
  case done

  package static var name: PathName { .vfree }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start(let address): return begin(address, &world, cpu)
    case .done: return .return()
    case .removed(let address):
      guard reply.number >= 0 else { return complain(address, &world, cpu) }
      let vm = VmStructID(reply.number)
      guard world.vmalloc.vms[vm].isModule, world.version.vmalloc.resetsPermissions else {
        return freePage(vm, 0, &world)
      }
      // Kernel: `vm_reset_perms()`: no TLB may hold on to what was executable.
      return ask(.call(.vmUnmapAliases(.start)), then: .permissionsReset(vm))
    case .permissionsReset(let vm): return freePage(vm, 0, &world)
    case .freeing(let vm, let taken):
      return ask(.condResched, then: .resched(vm, taken: taken))
    case .resched(let vm, let taken): return freePage(vm, taken, &world)
    case .pagesCounted(let vm):
      let array = world.vmalloc.vms[vm].pagesArray
      guard world.vmalloc.isVmalloc(array) else {
        return ask(.call(.kfree(.start(array))), then: .arrayFreed(vm))
      }
      return ask(.call(.vfree(.start(array))), then: .arrayFreed(vm))
    case .arrayFreed(let vm):
      let object = world.vmalloc.vms[vm].object
      world.vmalloc.vms.give(vm)
      return ask(.call(.kfree(.start(object))), then: .done)
    }
  }

  private mutating func begin(
    _ address: Address, _ world: inout World, _ cpu: CPUID
  ) -> Step {
    if world.cpus[cpu].preemptCount.inNMI {
      world.complain(.badContext, "vfree in an NMI is BUG_ON(in_nmi())", on: cpu)
      return .return()
    }
    guard !world.cpus[cpu].preemptCount.inInterrupt else {
      guard world.version.vmalloc.defersInInterrupt else {
        world.complain(
          .badContext, "vfree in interrupt context is BUG_ON(in_interrupt()) before 3.10", on: cpu)
        return .return()
      }
      return ask(.call(.vfreeAtomic(.start(address))), then: .done)
    }
    world.mightSleep(on: cpu, "vfree may sleep: free after the lock, or use vfree_atomic")
    guard address != .null else { return .return() }
    guard world.vmalloc.isVmallocOrModule(address) else { return complain(address, &world, cpu) }
    guard address.raw & 4095 == 0 else {
      world.complain(.badFree, "Trying to vfree() bad address \(hex(address))", on: cpu)
      return .return()
    }
    return ask(.call(.removeVMArea(.start(address))), then: .removed(address))
  }

  private mutating func freePage(
    _ vm: VmStructID, _ taken: Int32, _ world: inout World
  ) -> Step {
    guard let page = world.vmalloc.vms.takePage(of: vm, taken: taken) else {
      return ask(.touch(world.vmalloc.pageCountLine), then: .pagesCounted(vm))
    }
    return ask(
      .call(.freePages(.start(page, .zero))), then: .freeing(vm, taken: taken + 1))
  }

  /// Kernel: `WARN(1, "Trying to vfree() nonexistent vm area")`; the rest of the path is left out.
  private func complain(_ address: Address, _ world: inout World, _ cpu: CPUID) -> Step {
    let text = "Trying to vfree() nonexistent vm area \(hex(address))"
    if !world.vmalloc.isVmalloc(address) {
      world.complain(
        .wrongFreeFunction,
        text + ": it is no vmalloc address. Use kfree() for what kmalloc returned, or kvfree()"
          + " where it may be either.", on: cpu)
    } else if world.vmalloc.isLazy(address.raw) {
      world.complain(.doubleFree, text + ": it was freed and waits for a purge", on: cpu)
    } else {
      world.complain(.badFree, text, on: cpu)
    }
    return .return()
  }
}

/// An address as the kernel prints it.
func hex(_ address: Address) -> String { "0x" + String(address.raw, radix: 16) }
