import Hardware
import Simulation

/// Virtually contiguous memory: an area, its page array, its pages, their mapping.
///
/// Where the caller allows it and the size is large enough the pages are of 2 MiB; if they cannot
/// be had, all begins again with small ones. Replies with the address, or null. A failure is undone
/// by `vfree()`, from 6.19 on by a worker's, and the kernel's warning is given unless
/// `__GFP_NOWARN`. With `__GFP_NOFAIL` (5.17) what fails is tried again a tick later.
///
/// Kernel: `__vmalloc_node_range()`, `__vmalloc_area_node()` (mm/vmalloc.c, 6.12).
/// Not modelled: fatal signals.
package enum Vmalloc: Path {
  case start(
    pages: Int32, gfp: GFPFlags, node: NodeID, flags: VmallocFlags = [], alignShift: UInt8 = 12)
  case areaGot(ID<VmallocCall>)
  /// A tick was slept through, after no area was had.
  case areaAgain(ID<VmallocCall>)
  case arrayGot(ID<VmallocCall>)
  case arrayFailed(ID<VmallocCall>)
  case pagesGot(ID<VmallocCall>)
  case counted(ID<VmallocCall>)
  case mapped(ID<VmallocCall>)
  /// A tick was slept through, after a table could not be had.
  case mapAgain(ID<VmallocCall>)
  case drained(ID<VmallocCall>)
  case undone(ID<VmallocCall>)

  package static var name: PathName { .__vmalloc_node_range }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start: return begin(&world, cpu)
    case .areaGot(let call):
      guard reply.bool else { return areaFailed(call, &world, cpu) }
      return getArray(call, &world)
    case .areaAgain(let call):
      return ask(.call(.getVMArea(.start(call))), then: .areaGot(call))
    case .arrayGot(let call):
      let vm = world.vmalloc.calls[call].vm
      world.vmalloc.vms[vm].pagesArray = reply.address
      guard reply.address != .null else {
        let address = world.vmalloc.vms[vm].address
        return ask(.call(.removeVMArea(.start(address))), then: .arrayFailed(call))
      }
      return ask(.call(.vmAreaAllocPages(.start(call))), then: .pagesGot(call))
    case .arrayFailed(let call):
      // Kernel: `free_vm_area()`.
      let vm = world.vmalloc.calls[call].vm
      let object = world.vmalloc.vms[vm].object
      world.vmalloc.vms.give(vm)
      warn(call, "failed to allocate page array", &world, cpu)
      return ask(.call(.kfree(.start(object))), then: .undone(call))
    case .pagesGot(let call):
      return ask(.touch(world.vmalloc.pageCountLine), then: .counted(call))
    case .counted(let call):
      let record = world.vmalloc.calls[call]
      guard world.vmalloc.vms[record.vm].pageCount == record.pages else {
        // Large pages that cannot be had are tried again small: not worth a warning.
        if record.order == .zero { warn(call, "failed to allocate pages", &world, cpu) }
        return undo(call, &world)
      }
      return ask(.call(.vmapPagesRange(.start(call))), then: .mapped(call))
    case .mapAgain(let call): return ask(.call(.drainAllPages(.start)), then: .drained(call))
    case .drained(let call):
      return ask(.call(.vmapPagesRange(.start(call))), then: .mapped(call))
    case .mapped(let call):
      guard reply.bool || !world.waits(call, on: cpu) else {
        return ask(.sleep(world.ticks.jiffy), then: .mapAgain(call))
      }
      guard reply.bool else {
        warn(call, "failed to map pages", &world, cpu)
        return undo(call, &world)
      }
      let address = world.vmalloc.vms[world.vmalloc.calls[call].vm].address
      world.vmalloc.calls.give(call)
      return .return(.address(address))
    case .undone(let call): return retryOrEnd(call, &world)
    }
  }

  private mutating func begin(_ world: inout World, _ cpu: CPUID) -> Step {
    guard case .start(let pages, let asked, let node, let flags, let alignShift) = self else {
      preconditionFailure("begun twice")
    }
    let gfp = flags.contains(.checksMask) ? world.fixed(asked, on: cpu) : asked
    guard pages > 0 else {
      world.vmalloc.statistics.failures += 1
      world.warn("WARNING: __vmalloc_node_range: size 0", on: cpu)
      return .return(.address(.null))
    }
    guard pages <= world.vmalloc.totalRAMPages else {
      world.vmalloc.statistics.failures += 1
      if !gfp.contains(.noWarn) {
        world.warn("vmalloc error: size \(Int(pages) << 12), exceeds total pages", on: cpu)
      }
      return .return(.address(.null))
    }
    var record = VmallocCall(
      pages: pages, gfp: gfp, node: node, flags: flags, alignShift: alignShift)
    if world.mapsHuge(record) { record.useHugePages() }
    let call = world.vmalloc.calls.take(record)
    return ask(.call(.getVMArea(.start(call))), then: .areaGot(call))
  }

  /// The array of page pointers: by kmalloc up to a page, by vmalloc above.
  private mutating func getArray(_ call: ID<VmallocCall>, _ world: inout World) -> Step {
    let record = world.vmalloc.calls[call]
    let bytes = Int(record.pages) * world.architecture.pointerSize
    let gfp = record.gfp.intersection(.reclaimMask).union(.zero)
    guard bytes > 4096 else {
      return ask(
        .call(.kmalloc(.start(size: UInt32(bytes), gfp: gfp, node: record.node))),
        then: .arrayGot(call))
    }
    let pages = Int32((bytes + 4095) / 4096)
    return ask(
      .call(.vmalloc(.start(pages: pages, gfp: gfp, node: record.node))), then: .arrayGot(call))
  }

  private mutating func undo(_ call: ID<VmallocCall>, _ world: inout World) -> Step {
    let address = world.vmalloc.vms[world.vmalloc.calls[call].vm].address
    let free: Frame =
      world.version.vmalloc.servesAtomicTasks
      ? .vfreeAtomic(.start(address)) : .vfree(.start(address))
    return ask(.call(free), then: .undone(call))
  }

  private mutating func areaFailed(
    _ call: ID<VmallocCall>, _ world: inout World, _ cpu: CPUID
  ) -> Step {
    let isRetried = world.waits(call, on: cpu)
    warn(call, "vm_struct allocation failed" + (isRetried ? ". Retrying." : ""), &world, cpu)
    return isRetried
      ? ask(.sleep(world.ticks.jiffy), then: .areaAgain(call)) : retryOrEnd(call, &world)
  }

  private mutating func retryOrEnd(_ call: ID<VmallocCall>, _ world: inout World) -> Step {
    guard world.vmalloc.calls[call].order > .zero else {
      world.vmalloc.calls.give(call)
      return .return(.address(.null))
    }
    world.vmalloc.calls[call].useSmallPages()
    return ask(.call(.getVMArea(.start(call))), then: .areaGot(call))
  }

  private func warn(
    _ call: ID<VmallocCall>, _ reason: String, _ world: inout World, _ cpu: CPUID
  ) {
    world.vmalloc.statistics.failures += 1
    let record = world.vmalloc.calls[call]
    guard !record.gfp.contains(.noWarn) else { return }
    world.warn("vmalloc error: size \(Int(record.pages) << 12), \(reason)", on: cpu)
  }
}

extension World {
  /// Whether what fails is tried again: where the release knows __GFP_NOFAIL, and the task may sleep.
  /// Linux does so for ever; here the run ends after ten seconds.
  fileprivate mutating func waits(_ call: ID<VmallocCall>, on cpu: CPUID) -> Bool {
    let gfp = vmalloc.calls[call].gfp
    guard gfp.contains(.noFail), gfp.allowsBlocking, version.vmalloc.honoursMask else {
      return false
    }
    vmalloc.calls[call].ticks += 1
    guard vmalloc.calls[call].ticks <= AllocPagesSlowpath.ticksMax else {
      complain(
        .deadlock, "__GFP_NOFAIL waited ten seconds for what vmalloc cannot have: Linux goes on",
        on: cpu)
      isStopped = true
      return false
    }
    return true
  }

  /// A mask without the bits that the release takes from it. Kernel: `vmalloc_fix_flags()`.
  fileprivate mutating func fixed(_ gfp: GFPFlags, on cpu: CPUID) -> GFPFlags {
    var allowed = GFPFlags.vmallocSupported
    switch version.vmalloc.maskCheck {
    case .none: return gfp
    case .listed: break
    case .listedWithRetryMayFail: allowed.insert(.retryMayFail)
    }
    let (kept, taken) = (gfp.intersection(allowed), gfp.subtracting(allowed))
    guard !taken.isEmpty, !vmalloc.hasWarnedOfMask else { return kept }
    vmalloc.hasWarnedOfMask = true
    warn(
      "WARNING: vmalloc_fix_flags: Unexpected gfp: \(taken.text). Fixing up to gfp: \(kept.text). "
        + "Fix your code!", on: cpu)
    return kept
  }

  /// Whether an area is worth 2 MiB pages: by its size, of which each node is thought to have its
  /// part where none is named, as long as the release reckons so.
  func mapsHuge(_ call: VmallocCall) -> Bool {
    guard call.flags.contains(.allowsHuge), version.vmalloc.hugeMappings != .none,
      architecture.name == .x86_64 || architecture.name == .arm64 && version.vmalloc.mapsHugeOnARM64
    else {
      return false
    }
    let sharers =
      version.vmalloc.hugeMappings == .byNodeShare && call.node == .any ? layout.nodeCount : 1
    let least = Order.pmd.pageCount * sharers
    return Int(call.asked) >= least + (call.flags.contains(.partialLastPage) ? 1 : 0)
  }
}

extension GFPFlags {
  /// Kernel: `GFP_VMALLOC_SUPPORTED` (mm/vmalloc.c, 7.0).
  static let vmallocSupported: GFPFlags = [
    .kernel, .atomic, .noWait, .noFail, .zero, .noRetry, .noFS, .noIO, .kernelAccount, .user,
  ]
  /// What allocations made on behalf of another keep of its mask. Kernel: `GFP_RECLAIM_MASK`.
  static let reclaimMask: GFPFlags = [
    .reclaim, .high, .io, .fs, .noWarn, .retryMayFail, .noFail, .noRetry, .memAlloc, .noMemAlloc,
  ]
}
