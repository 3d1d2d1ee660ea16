import Hardware
import Simulation

/// One kernel function as a state machine: a case for each place where it can be left, whose
/// payload is what lives across that place. `step` runs to the next shared action and asks for it.
package protocol Path: BitwiseCopyable {
  /// The kernel function's name, for violations, accounting and timelines.
  static var name: PathName { get }
  /// Goes on from this place, `reply` being the answer to the step asked last.
  mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step
}

extension Path {
  /// Asks for `step`; the path goes on at `place` when it has been performed.
  @inline(__always)
  package mutating func ask(_ step: Step, then place: Self) -> Step {
    self = place
    return step
  }
}

/// Every path there is. To add one: a case, its line in `run` and its line in `name`.
///
/// At most 16 bytes: what does not fit goes into a record of the subsystem, freed at return.
package enum Frame: BitwiseCopyable {
  case script(Script)
  case program(ProgramPath)
  case visit(VisitPath)
  case churn(ChurnPath)
  // Core
  case handleIRQ(HandleIRQ)
  case doSoftIRQ(DoSoftIRQ)
  case ksoftirqd(Ksoftirqd)
  case irqThread(IRQThread)
  case onEachCPU(OnEachCPU)
  case flushCallQueue(FlushCallQueue)
  case sharedCallInterrupt(SharedCallInterrupt)
  case workerThread(WorkerThread)
  case deferredSoftIRQ(DeferredSoftIRQ)
  case stopMachine(StopMachine)
  case cpuStopper(CPUStopper)
  case flushWork(FlushWork)
  case callRCU(CallRCU)
  case synchronizeRCU(SynchronizeRCU)
  case rcuBarrier(RCUBarrier)
  case timerTick(TimerTick)
  case rcuCore(RCUCore)
  case kvfreeCallRCU(KvfreeCallRCU)
  case kfreeRCUMonitor(KfreeRCUMonitor)
  case kfreeRCUWork(KfreeRCUWork)
  case fillPageCache(FillPageCache)
  case kvfreeRCUBarrier(KvfreeRCUBarrier)
  // Memory: pages
  case allocPages(AllocPages)
  case getPageFromFreelist(GetPageFromFreelist)
  case rmqueue(Rmqueue)
  case rmqueueBulk(RmqueueBulk)
  case allocPagesSlowpath(AllocPagesSlowpath)
  case freePages(FreePages)
  case freePCPPagesBulk(FreePCPPagesBulk)
  case allocPagesBulk(AllocPagesBulk)
  case drainAllPages(DrainAllPages)
  case refreshCPUVMStats(RefreshCPUVMStats)
  // Memory: slab
  case kmalloc(Kmalloc)
  case kmallocLarge(KmallocLarge)
  case kmallocArray(KmallocArray)
  case krealloc(Krealloc)
  case kfree(Kfree)
  case ksize(Ksize)
  case kfreeSensitive(KfreeSensitive)
  case kmemCacheAlloc(KmemCacheAlloc)
  case kmemCacheFree(KmemCacheFree)
  case slabAlloc(SlabAlloc)
  case slabAllocIRQsOff(SlabAllocIRQsOff)
  case debugFree(DebugFree)
  case debugAlloc(DebugAlloc)
  case kmemCacheFreeBulk(KmemCacheFreeBulk)
  case kmemCacheAllocBulk(KmemCacheAllocBulk)
  case deactivateLocked(DeactivateLocked)
  case slabFreeLocked(SlabFreeLocked)
  case lockAndFreezeSlab(LockAndFreezeSlab)
  case slabAllocLocked(SlabAllocLocked)
  case getPartial(GetPartial)
  case getPartialNode(GetPartialNode)
  case getAnyPartial(GetAnyPartial)
  case allocateSlab(AllocateSlab)
  case discardSlab(DiscardSlab)
  case slabFree(SlabFree)
  case putCPUPartial(PutCPUPartial)
  case putPartials(PutPartials)
  case deactivateSlab(DeactivateSlab)
  case flushCPUSlab(FlushCPUSlab)
  case flushAll(FlushAll)
  case kmemCacheShrink(KmemCacheShrink)
  case kmemCacheCreate(KmemCacheCreate)
  case kmemCacheDestroy(KmemCacheDestroy)
  // Memory: slab, SLOB
  case slobAlloc(SlobAlloc)
  case slobFree(SlobFree)
  case slobObject(SlobObject)
  // Memory: slab, SLAB
  case cacheAlloc(CacheAlloc)
  case cacheRefill(CacheRefill)
  case cacheAllocNode(CacheAllocNode)
  case fallbackAlloc(FallbackAlloc)
  case cacheGrow(CacheGrow)
  case slabsDestroy(SlabsDestroy)
  case cacheFree(CacheFree)
  case freeBlock(FreeBlock)
  case drainAlien(DrainAlien)
  case cacheReap(CacheReap)
  case drainArray(DrainArray)
  case drainFreelist(DrainFreelist)
  case doDrain(DoDrain)
  case shrinkArrays(ShrinkArrays)
  // Memory: sheaves
  case sheafAlloc(SheafAlloc)
  case sheafFree(SheafFree)
  case exchangeSheaf(ExchangeSheaf)
  case sheafFreeBulk(SheafFreeBulk)
  case sheafAllocBulk(SheafAllocBulk)
  case refillSheaf(RefillSheaf)
  case refillFromNode(RefillFromNode)
  case allocFromNewSlab(AllocFromNewSlab)
  case allocSingle(AllocSingle)
  case getFromPartialNode(GetFromPartialNode)
  case searchNodes(SearchNodes)
  case flushSheaf(FlushSheaf)
  case slabFreeList(SlabFreeList)
  case flushMain(FlushMain)
  case flushCPUSheaves(FlushCPUSheaves)
  case shrinkBarn(ShrinkBarn)
  case allocSheaf(AllocSheaf)
  case freeSheaf(FreeSheaf)
  case kfreeRCUSheaf(KfreeRCUSheaf)
  case rcuFreeSheaf(RCUFreeSheaf)
  case flushRCUSheaves(FlushRCUSheaves)
  case prefillSheaf(PrefillSheaf)
  case topUpSheaf(TopUpSheaf)
  case emptySheaf(EmptySheaf)
  case refillPrefilled(RefillPrefilled)
  case returnSheaf(ReturnSheaf)
  case allocFromSheaf(AllocFromSheaf)
  case initCPUSheaves(InitCPUSheaves)
  case destroyCPUSheaves(DestroyCPUSheaves)
  // Memory: vmalloc
  case vmalloc(Vmalloc)
  case getVMArea(GetVMArea)
  case allocVmapArea(AllocVmapArea)
  case vmAreaAllocPages(VmAreaAllocPages)
  case vmapPagesRange(VmapPagesRange)
  case vfree(Vfree)
  case vfreeAtomic(VfreeAtomic)
  case findVMArea(FindVMArea)
  case vrealloc(Vrealloc)
  case removeVMArea(RemoveVMArea)
  case findUnlinkVmapArea(FindUnlinkVmapArea)
  case freeUnmapVmapArea(FreeUnmapVmapArea)
  case vunmapRange(VunmapRange)
  case freeVmapAreaNoflush(FreeVmapAreaNoflush)
  case freeKernelTables(FreeKernelTables)
  case allocVmapAreaWalk(AllocVmapAreaWalk)
  case removeVMAreaFromList(RemoveVMAreaFromList)
  case purgeLazyWalk(PurgeLazyWalk)
  case vmMapRAM(VMMapRAM)
  case vmUnmapRAM(VMUnmapRAM)
  case vbAlloc(VbAlloc)
  case newVmapBlock(NewVmapBlock)
  case vbFree(VbFree)
  case freeVmapBlock(FreeVmapBlock)
  case walkVmapBlocks(WalkVmapBlocks)
  case vmap(Vmap)
  case vunmap(Vunmap)
  case delayedVfreeWork(DelayedVfreeWork)
  case drainVmapWork(DrainVmapWork)
  case purgeVmapAreaLazy(PurgeVmapAreaLazy)
  case purgeVmapNode(PurgeVmapNode)
  case reclaimListGlobal(ReclaimListGlobal)
  case vmUnmapAliases(VmUnmapAliases)
  case reclaimAndPurge(ReclaimAndPurge)
  case flushTLBKernelRange(FlushTLBKernelRange)
  case doFlushTLBAll(DoFlushTLBAll)
  case doKernelRangeFlush(DoKernelRangeFlush)
  case kvmalloc(Kvmalloc)
  case kvfree(Kvfree)
  case kvrealloc(Kvrealloc)
  case vmallocToPage(VmallocToPage)
  case virtToPhys(VirtToPhys)
  case touch(TouchMemory)

  /// Whether the code behind a call reads only what is private to its CPU until its next step, so
  /// that a callee may return to it ahead of the queue. True of the workload, and of a CPU that runs
  /// what others asked of it.
  @inline(__always) var maySeeAhead: Bool {
    switch self {
    case .program, .flushCallQueue: true
    default: false
    }
  }
}

/// The turn of a workload's thread, from its own work to its own work, run without its frame.
struct Turn {
  package typealias ID = Simulation.ID<ProgramState.Activation>
  private let id: ID
  private var path: ProgramPath

  init(_ id: ID) { (self.id, path) = (id, .go(id)) }

  @inline(__always)
  mutating func run(_ world: inout World, on cpu: CPUID) -> Step {
    path.turn(id, &world, cpu)
  }

  /// Where the thread is after its step.
  @inline(__always) var frame: Frame { .program(path) }
}

extension Frame {
  /// The thread whose turn begins here, if one's does.
  @inline(__always) var turn: Turn.ID? {
    if case .program(.go(let id)) = self { id } else { nil }
  }
}
