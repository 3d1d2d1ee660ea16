import Hardware
import Simulation

/// Allocates a block of pages. Replies: its first page, or none.
///
/// Kernel: `__alloc_pages()` (mm/page_alloc.c, 6.12).
/// Not modelled: memory policies, cpusets, memcg charges, `current_gfp_context()`.
package enum AllocPages: Path {
  case start(order: Order, gfp: GFPFlags, node: NodeID)
  case tried(AllocID)
  case triedHard(AllocID)

  package static var name: PathName { .__alloc_pages }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start(let order, let gfp, let node):
      guard order <= .max else {
        if !gfp.contains(.noWarn) {
          world.warn("__alloc_pages: order \(order.index) is above MAX_PAGE_ORDER", on: cpu)
        }
        return .return(.pfn(.none))
      }
      if gfp.allowsBlocking {
        world.mightAlloc(on: cpu, "use GFP_ATOMIC or GFP_NOWAIT where the context may not sleep")
      }
      let id = world.makeAllocContext(order, gfp, node, on: cpu)
      world.pages.contexts[id].flags.formUnion(world.avoidingFragments(id))
      return ask(.call(.getPageFromFreelist(.start(id))), then: .tried(id))
    case .tried(let id):
      guard reply.pfn.isNone else { return finish(id, reply.pfn, &world, cpu) }
      return ask(.call(.allocPagesSlowpath(.start(id))), then: .triedHard(id))
    case .triedHard(let id): return finish(id, reply.pfn, &world, cpu)
    }
  }

  private func finish(_ id: AllocID, _ block: PFN, _ world: inout World, _ cpu: CPUID) -> Step {
    let context = world.pages.contexts[id]
    world.pages.contexts.give(id)
    world.trace(
      .mmPageAlloc, on: cpu, a: UInt64(bitPattern: Int64(block.index)),
      b: UInt64(context.order.index) | UInt64(context.type.rawValue) << 8,
      c: UInt64(context.gfp.rawValue))
    return .return(.pfn(block))
  }
}

extension World {
  /// Whether the first search leaves blocks of other types alone: when zone DMA32 of the same node
  /// could be used instead.
  ///
  /// Kernel: `alloc_flags_nofragment()` (mm/page_alloc.c, 6.12).
  func avoidingFragments(_ id: AllocID) -> AllocFlags {
    let context = pages.contexts[id]
    var flags: AllocFlags = context.gfp.contains(.kswapdReclaim) ? .kswapd : []
    let preferred = Int(context.preferredZone)
    guard pages.zones[preferred].kind == .normal else { return flags }
    if pages.nodeCount > 1 {
      guard preferred > 0, pages.zones[preferred - 1].kind == .dma32,
        pages.zones[preferred - 1].node == context.preferredNode
      else { return flags }
    }
    flags.insert(.noFragment)
    return flags
  }
}
