/// The kinds of private computing that kernel paths ask for. A path names the work, a cost file
/// the time: `slubAllocFast` is the line `slub_alloc_fast` of a `.costs` file.
///
/// To add one: a case here, its line in each file of `Costs/Files`, its category in
/// `Kernel/Engine/TimeCategory.swift`. The compiler and the loader name what is missing.
@frozen public enum Work: UInt8, CaseIterable, BitwiseCopyable, Sendable {
  // Slab allocator.
  case slubAllocFast, slubFreeFast, slubSlowStep, slubFreeSlow, slubListEdit, slubInitObject
  case kmallocLookup
  // SLAB: a hit; an object moved between arrays, and between an array and its slab; a reaper's look.
  case slabAllocFast, slabFreeFast, slabMoveObject, slabSlabObject, slabInitObject, slabReapCache
  // SLUB to 2.6.38, interrupts off on the fast paths; an object of a bulk call, and what its masking
  // costs once; a debug cache's look at a line of an object, and its note of who called.
  case slubAllocMasked, slubFreeMasked, slubBulkObject, irqDisableEnable, irqSaveRestore
  case slubDebugLine, slubDebugTrack
  // SLOB: a page or a free block that a walk passes.
  case slobWalkStep
  // Page allocator.
  case pcpListOp, buddyStep, watermarkCheck, clearPage, zeroLine
  // vmalloc, page tables, TLB.
  case treeStep, listEdit, pteWrite, pteClear, tablePage, vmapLine
  case invlpg, tlbFlushAll, tlbMissWalkStep, tlbHit, memoryAccess
  // PTI's second copy of a page; CR4.PGE off and on; AMD's broadcast and the wait for it; Arm's, the
  // wait, and what each CPU that must answer adds to it; an entry written and waited for.
  case invpcidOne, cr4Toggle, invlpgb, tlbsync, tlbi, tlbiSync, tlbiSyncCpu, pteWriteBarrier
  // Interrupts, cross-CPU calls, scheduling.
  case callQueued, callFunctionEntry, softirqEntry, workQueueOp, wakeUp
  // Ticks and RCU.
  case timerTick, rcuCall, rcuCore
}

/// The times of the hardware and of the engine's own steps, by the same rule.
@frozen public enum Primitive: UInt8, CaseIterable, BitwiseCopyable, Sendable {
  /// Access to a line that is in the own cache, and one with an atomic operation.
  case cacheHit, atomicHit
  /// A line from the last-level cache that another CPU under it has or shares.
  case lineSameCore, lineSameLlc, lineSameSocket, lineOtherSocket
  case memoryLocal, memoryRemote
  /// Uncontended lock and unlock beyond the line's own time, and what a hand-over adds to it.
  case lockHandOff
  case interruptEntry, interruptExit, icrWrite, ipiSameSocket, ipiOtherSocket
  /// A write of an xAPIC's register in memory; a guest's way to its hypervisor and back; the ways out
  /// of what idle CPUs are in.
  case xapicWrite, vmExit, idleExitPoll, idleExitC1, idleExitC6
  case contextSwitch, wakeupLatency
}

extension Work {
  /// The name of its line in a cost file.
  public var key: String { snakeCase("\(self)") }
}
extension Primitive {
  /// The name of its line in a cost file.
  public var key: String { snakeCase("\(self)") }
}

private func snakeCase(_ name: String) -> String {
  var key = ""
  for character in name {
    if character.isUppercase { key += "_" + character.lowercased() } else { key.append(character) }
  }
  return key
}
