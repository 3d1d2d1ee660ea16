import Hardware
import Simulation

/// One activation of `WalkVmapBlocks`: what it is for, and what it found.
package struct BlockWalk: BitwiseCopyable {
  /// Used-up blocks are taken out, and all of them, not only those that are nearly full.
  var retires = true
  var isForced: Bool
  /// What waits for a flush is measured; from then on it counts as flushed, if blocks go as well.
  var measures: Bool
  /// The lowest address that waits, and one past the highest.
  var from = UInt64.max
  var to: UInt64 = 0
  /// Blocks taken out, which are freed at the end: a chain.
  var retired = ID<VmapBlock>.none

  init(isForced: Bool, measures: Bool) { (self.isForced, self.measures) = (isForced, measures) }
}

/// Looks at every block of every CPU, one lock at a time.
///
/// Kernel: the loops of `_vm_unmap_aliases()` and `purge_fragmented_blocks_allcpus()`, and
/// `free_purged_blocks()` (mm/vmalloc.c, 6.12). Blocks are looked at in the order of their records,
/// not CPU by CPU; before 6.6 Linux looks at those with free pages only.
package enum WalkVmapBlocks: Path {
  case start(ID<BlockWalk>)
  case next(ID<BlockWalk>, Int32)
  case locked(ID<BlockWalk>, Int32)
  case queueLocked(ID<BlockWalk>, Int32)
  case queueUnlocked(ID<BlockWalk>, Int32)
  case freeing(ID<BlockWalk>)

  package static var name: PathName { .purge_fragmented_block }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start(let walk):
      // Each possible CPU's list head lies in its own per-CPU memory: a line a CPU, empty or not.
      // Kernel: `for_each_possible_cpu()` over `vmap_block_queue` (mm/vmalloc.c, 6.12).
      let cpus = Int32(world.vmalloc.blocks.queues.count)
      return ask(.work(.vmapLine, times: cpus), then: .next(walk, 0))
    case .next(let walk, let index): return lock(walk, index, &world)
    case .locked(let walk, let index): return look(walk, index, &world)
    case .queueLocked(let walk, let index):
      let owner = Int(world.vmalloc.blocks[ID(Int(index))].cpu)
      let lock = world.vmalloc.blocks.queues[owner].lock
      return ask(.release(lock), then: .queueUnlocked(walk, index))
    case .queueUnlocked(let walk, let index):
      let lock = world.vmalloc.blocks[ID(Int(index))].lock
      return ask(.release(lock), then: .next(walk, index + 1))
    case .freeing(let walk): return free(walk, &world)
    }
  }

  private mutating func lock(
    _ walk: ID<BlockWalk>, _ index: Int32, _ world: inout World
  ) -> Step {
    var index = Int(index)
    if index > 0 { world.finishDrop(ID(index - 1)) }
    while index < world.vmalloc.blocks.all.highWater {
      let block = world.vmalloc.blocks[ID(index)]
      if !block.area.isNone {
        return ask(.acquire(block.lock), then: .locked(walk, Int32(index)))
      }
      index += 1
    }
    return free(walk, &world)
  }

  private mutating func look(
    _ walk: ID<BlockWalk>, _ index: Int32, _ world: inout World
  ) -> Step {
    let block = ID<VmapBlock>(Int(index))
    let record = world.vmalloc.walks[walk]
    // It was freed while its lock was waited for.
    guard !world.vmalloc.blocks[block].isDropped else {
      return ask(.release(world.vmalloc.blocks[block].lock), then: .next(walk, index + 1))
    }
    if record.retires, world.vmalloc.blocks.retire(block, isForced: record.isForced) {
      world.vmalloc.blocks[block].next = record.retired
      world.vmalloc.walks[walk].retired = block
      let owner = Int(world.vmalloc.blocks[block].cpu)
      let lock = world.vmalloc.blocks.queues[owner].lock
      return ask(.acquire(lock), then: .queueLocked(walk, index))
    }
    if record.measures,
      let span = world.vmalloc.blocks.unflushed(block, ends: record.retires)
    {
      let start = world.vmalloc.start(of: block).raw
      world.vmalloc.walks[walk].from = min(record.from, start + UInt64(span.from) << 12)
      world.vmalloc.walks[walk].to = max(record.to, start + UInt64(span.to) << 12)
    }
    return ask(.release(world.vmalloc.blocks[block].lock), then: .next(walk, index + 1))
  }

  private mutating func free(_ walk: ID<BlockWalk>, _ world: inout World) -> Step {
    let block = world.vmalloc.walks[walk].retired
    guard !block.isNone else { return .return() }
    world.vmalloc.walks[walk].retired = world.vmalloc.blocks[block].next
    return ask(.call(.freeVmapBlock(.start(block))), then: .freeing(walk))
  }
}
