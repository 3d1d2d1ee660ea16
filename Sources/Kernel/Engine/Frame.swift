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

/// Every path there is. To add one: a case and its line in the switch; the compiler finds the rest.
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
  case onEachCPU(OnEachCPU)
  case flushCallQueue(FlushCallQueue)
  case workerThread(WorkerThread)
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
  case touch(TouchMemory)

  @inline(__always)
  mutating func run(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    @inline(__always)
    func go<P: Path>(_ path: P, _ wrap: (P) -> Frame) -> Step {
      var path = path
      world.cpus[cpu].path = P.name
      let step = path.run(&world, on: cpu, reply)
      self = wrap(path)
      return step
    }
    switch self {
    case .script(let path): return go(path, Frame.script)
    case .program(let path): return go(path, Frame.program)
    case .visit(let path): return go(path, Frame.visit)
    case .churn(let path): return go(path, Frame.churn)
    case .handleIRQ(let path): return go(path, Frame.handleIRQ)
    case .doSoftIRQ(let path): return go(path, Frame.doSoftIRQ)
    case .ksoftirqd(let path): return go(path, Frame.ksoftirqd)
    case .onEachCPU(let path): return go(path, Frame.onEachCPU)
    case .flushCallQueue(let path): return go(path, Frame.flushCallQueue)
    case .workerThread(let path): return go(path, Frame.workerThread)
    case .flushWork(let path): return go(path, Frame.flushWork)
    case .callRCU(let path): return go(path, Frame.callRCU)
    case .synchronizeRCU(let path): return go(path, Frame.synchronizeRCU)
    case .rcuBarrier(let path): return go(path, Frame.rcuBarrier)
    case .kvfreeRCUBarrier(let path): return go(path, Frame.kvfreeRCUBarrier)
    case .timerTick(let path): return go(path, Frame.timerTick)
    case .rcuCore(let path): return go(path, Frame.rcuCore)
    case .kvfreeCallRCU(let path): return go(path, Frame.kvfreeCallRCU)
    case .kfreeRCUMonitor(let path): return go(path, Frame.kfreeRCUMonitor)
    case .kfreeRCUWork(let path): return go(path, Frame.kfreeRCUWork)
    case .fillPageCache(let path): return go(path, Frame.fillPageCache)
    case .allocPages(let path): return go(path, Frame.allocPages)
    case .getPageFromFreelist(let path): return go(path, Frame.getPageFromFreelist)
    case .rmqueue(let path): return go(path, Frame.rmqueue)
    case .rmqueueBulk(let path): return go(path, Frame.rmqueueBulk)
    case .allocPagesSlowpath(let path): return go(path, Frame.allocPagesSlowpath)
    case .freePages(let path): return go(path, Frame.freePages)
    case .freePCPPagesBulk(let path): return go(path, Frame.freePCPPagesBulk)
    case .allocPagesBulk(let path): return go(path, Frame.allocPagesBulk)
    case .drainAllPages(let path): return go(path, Frame.drainAllPages)
    case .refreshCPUVMStats(let path): return go(path, Frame.refreshCPUVMStats)
    case .kmalloc(let path): return go(path, Frame.kmalloc)
    case .kmallocLarge(let path): return go(path, Frame.kmallocLarge)
    case .kmallocArray(let path): return go(path, Frame.kmallocArray)
    case .krealloc(let path): return go(path, Frame.krealloc)
    case .kfree(let path): return go(path, Frame.kfree)
    case .ksize(let path): return go(path, Frame.ksize)
    case .kfreeSensitive(let path): return go(path, Frame.kfreeSensitive)
    case .kmemCacheAlloc(let path): return go(path, Frame.kmemCacheAlloc)
    case .kmemCacheFree(let path): return go(path, Frame.kmemCacheFree)
    case .slabAlloc(let path): return go(path, Frame.slabAlloc)
    case .slabAllocIRQsOff(let path): return go(path, Frame.slabAllocIRQsOff)
    case .debugFree(let path): return go(path, Frame.debugFree)
    case .debugAlloc(let path): return go(path, Frame.debugAlloc)
    case .kmemCacheFreeBulk(let path): return go(path, Frame.kmemCacheFreeBulk)
    case .kmemCacheAllocBulk(let path): return go(path, Frame.kmemCacheAllocBulk)
    case .deactivateLocked(let path): return go(path, Frame.deactivateLocked)
    case .slabFreeLocked(let path): return go(path, Frame.slabFreeLocked)
    case .lockAndFreezeSlab(let path): return go(path, Frame.lockAndFreezeSlab)
    case .slabAllocLocked(let path): return go(path, Frame.slabAllocLocked)
    case .getPartial(let path): return go(path, Frame.getPartial)
    case .getPartialNode(let path): return go(path, Frame.getPartialNode)
    case .getAnyPartial(let path): return go(path, Frame.getAnyPartial)
    case .allocateSlab(let path): return go(path, Frame.allocateSlab)
    case .discardSlab(let path): return go(path, Frame.discardSlab)
    case .slabFree(let path): return go(path, Frame.slabFree)
    case .putCPUPartial(let path): return go(path, Frame.putCPUPartial)
    case .putPartials(let path): return go(path, Frame.putPartials)
    case .deactivateSlab(let path): return go(path, Frame.deactivateSlab)
    case .flushCPUSlab(let path): return go(path, Frame.flushCPUSlab)
    case .flushAll(let path): return go(path, Frame.flushAll)
    case .kmemCacheShrink(let path): return go(path, Frame.kmemCacheShrink)
    case .kmemCacheCreate(let path): return go(path, Frame.kmemCacheCreate)
    case .kmemCacheDestroy(let path): return go(path, Frame.kmemCacheDestroy)
    case .cacheAlloc(let path): return go(path, Frame.cacheAlloc)
    case .cacheRefill(let path): return go(path, Frame.cacheRefill)
    case .cacheAllocNode(let path): return go(path, Frame.cacheAllocNode)
    case .fallbackAlloc(let path): return go(path, Frame.fallbackAlloc)
    case .cacheGrow(let path): return go(path, Frame.cacheGrow)
    case .slabsDestroy(let path): return go(path, Frame.slabsDestroy)
    case .cacheFree(let path): return go(path, Frame.cacheFree)
    case .freeBlock(let path): return go(path, Frame.freeBlock)
    case .drainAlien(let path): return go(path, Frame.drainAlien)
    case .cacheReap(let path): return go(path, Frame.cacheReap)
    case .drainArray(let path): return go(path, Frame.drainArray)
    case .drainFreelist(let path): return go(path, Frame.drainFreelist)
    case .doDrain(let path): return go(path, Frame.doDrain)
    case .shrinkArrays(let path): return go(path, Frame.shrinkArrays)
    case .sheafAlloc(let path): return go(path, Frame.sheafAlloc)
    case .sheafFree(let path): return go(path, Frame.sheafFree)
    case .sheafAllocBulk(let path): return go(path, Frame.sheafAllocBulk)
    case .sheafFreeBulk(let path): return go(path, Frame.sheafFreeBulk)
    case .exchangeSheaf(let path): return go(path, Frame.exchangeSheaf)
    case .refillSheaf(let path): return go(path, Frame.refillSheaf)
    case .refillFromNode(let path): return go(path, Frame.refillFromNode)
    case .allocFromNewSlab(let path): return go(path, Frame.allocFromNewSlab)
    case .allocSingle(let path): return go(path, Frame.allocSingle)
    case .getFromPartialNode(let path): return go(path, Frame.getFromPartialNode)
    case .searchNodes(let path): return go(path, Frame.searchNodes)
    case .flushSheaf(let path): return go(path, Frame.flushSheaf)
    case .slabFreeList(let path): return go(path, Frame.slabFreeList)
    case .flushMain(let path): return go(path, Frame.flushMain)
    case .flushCPUSheaves(let path): return go(path, Frame.flushCPUSheaves)
    case .shrinkBarn(let path): return go(path, Frame.shrinkBarn)
    case .allocSheaf(let path): return go(path, Frame.allocSheaf)
    case .freeSheaf(let path): return go(path, Frame.freeSheaf)
    case .kfreeRCUSheaf(let path): return go(path, Frame.kfreeRCUSheaf)
    case .rcuFreeSheaf(let path): return go(path, Frame.rcuFreeSheaf)
    case .flushRCUSheaves(let path): return go(path, Frame.flushRCUSheaves)
    case .prefillSheaf(let path): return go(path, Frame.prefillSheaf)
    case .topUpSheaf(let path): return go(path, Frame.topUpSheaf)
    case .emptySheaf(let path): return go(path, Frame.emptySheaf)
    case .refillPrefilled(let path): return go(path, Frame.refillPrefilled)
    case .returnSheaf(let path): return go(path, Frame.returnSheaf)
    case .allocFromSheaf(let path): return go(path, Frame.allocFromSheaf)
    case .initCPUSheaves(let path): return go(path, Frame.initCPUSheaves)
    case .destroyCPUSheaves(let path): return go(path, Frame.destroyCPUSheaves)
    case .slobAlloc(let path): return go(path, Frame.slobAlloc)
    case .slobFree(let path): return go(path, Frame.slobFree)
    case .slobObject(let path): return go(path, Frame.slobObject)
    case .vmalloc(let path): return go(path, Frame.vmalloc)
    case .getVMArea(let path): return go(path, Frame.getVMArea)
    case .allocVmapArea(let path): return go(path, Frame.allocVmapArea)
    case .vmAreaAllocPages(let path): return go(path, Frame.vmAreaAllocPages)
    case .vmapPagesRange(let path): return go(path, Frame.vmapPagesRange)
    case .vfree(let path): return go(path, Frame.vfree)
    case .removeVMArea(let path): return go(path, Frame.removeVMArea)
    case .findUnlinkVmapArea(let path): return go(path, Frame.findUnlinkVmapArea)
    case .freeUnmapVmapArea(let path): return go(path, Frame.freeUnmapVmapArea)
    case .vunmapRange(let path): return go(path, Frame.vunmapRange)
    case .freeVmapAreaNoflush(let path): return go(path, Frame.freeVmapAreaNoflush)
    case .freeKernelTables(let path): return go(path, Frame.freeKernelTables)
    case .allocVmapAreaWalk(let path): return go(path, Frame.allocVmapAreaWalk)
    case .removeVMAreaFromList(let path): return go(path, Frame.removeVMAreaFromList)
    case .purgeLazyWalk(let path): return go(path, Frame.purgeLazyWalk)
    case .vmMapRAM(let path): return go(path, Frame.vmMapRAM)
    case .vmUnmapRAM(let path): return go(path, Frame.vmUnmapRAM)
    case .vbAlloc(let path): return go(path, Frame.vbAlloc)
    case .newVmapBlock(let path): return go(path, Frame.newVmapBlock)
    case .vbFree(let path): return go(path, Frame.vbFree)
    case .freeVmapBlock(let path): return go(path, Frame.freeVmapBlock)
    case .walkVmapBlocks(let path): return go(path, Frame.walkVmapBlocks)
    case .vmap(let path): return go(path, Frame.vmap)
    case .vunmap(let path): return go(path, Frame.vunmap)
    case .delayedVfreeWork(let path): return go(path, Frame.delayedVfreeWork)
    case .drainVmapWork(let path): return go(path, Frame.drainVmapWork)
    case .purgeVmapAreaLazy(let path): return go(path, Frame.purgeVmapAreaLazy)
    case .purgeVmapNode(let path): return go(path, Frame.purgeVmapNode)
    case .reclaimListGlobal(let path): return go(path, Frame.reclaimListGlobal)
    case .vmUnmapAliases(let path): return go(path, Frame.vmUnmapAliases)
    case .reclaimAndPurge(let path): return go(path, Frame.reclaimAndPurge)
    case .flushTLBKernelRange(let path): return go(path, Frame.flushTLBKernelRange)
    case .doFlushTLBAll(let path): return go(path, Frame.doFlushTLBAll)
    case .doKernelRangeFlush(let path): return go(path, Frame.doKernelRangeFlush)
    case .kvmalloc(let path): return go(path, Frame.kvmalloc)
    case .kvfree(let path): return go(path, Frame.kvfree)
    case .touch(let path): return go(path, Frame.touch)
    }
  }

  /// The function's name, without running it.
  var name: PathName {
    switch self {
    case .script: Script.name
    case .program: ProgramPath.name
    case .visit: VisitPath.name
    case .churn: ChurnPath.name
    case .handleIRQ: HandleIRQ.name
    case .doSoftIRQ: DoSoftIRQ.name
    case .ksoftirqd: Ksoftirqd.name
    case .onEachCPU: OnEachCPU.name
    case .flushCallQueue: FlushCallQueue.name
    case .workerThread: WorkerThread.name
    case .flushWork: FlushWork.name
    case .callRCU: CallRCU.name
    case .synchronizeRCU: SynchronizeRCU.name
    case .rcuBarrier: RCUBarrier.name
    case .kvfreeRCUBarrier: KvfreeRCUBarrier.name
    case .timerTick: TimerTick.name
    case .rcuCore: RCUCore.name
    case .kvfreeCallRCU: KvfreeCallRCU.name
    case .kfreeRCUMonitor: KfreeRCUMonitor.name
    case .kfreeRCUWork: KfreeRCUWork.name
    case .fillPageCache: FillPageCache.name
    case .allocPages: AllocPages.name
    case .getPageFromFreelist: GetPageFromFreelist.name
    case .rmqueue: Rmqueue.name
    case .rmqueueBulk: RmqueueBulk.name
    case .allocPagesSlowpath: AllocPagesSlowpath.name
    case .freePages: FreePages.name
    case .freePCPPagesBulk: FreePCPPagesBulk.name
    case .allocPagesBulk: AllocPagesBulk.name
    case .drainAllPages: DrainAllPages.name
    case .refreshCPUVMStats: RefreshCPUVMStats.name
    case .kmalloc: Kmalloc.name
    case .kmallocLarge: KmallocLarge.name
    case .kmallocArray: KmallocArray.name
    case .krealloc: Krealloc.name
    case .kfree: Kfree.name
    case .ksize: Ksize.name
    case .kfreeSensitive: KfreeSensitive.name
    case .kmemCacheAlloc: KmemCacheAlloc.name
    case .kmemCacheFree: KmemCacheFree.name
    case .slabAlloc: SlabAlloc.name
    case .slabAllocIRQsOff: SlabAllocIRQsOff.name
    case .debugFree: DebugFree.name
    case .debugAlloc: DebugAlloc.name
    case .kmemCacheFreeBulk: KmemCacheFreeBulk.name
    case .kmemCacheAllocBulk: KmemCacheAllocBulk.name
    case .deactivateLocked: DeactivateLocked.name
    case .slabFreeLocked: SlabFreeLocked.name
    case .lockAndFreezeSlab: LockAndFreezeSlab.name
    case .slabAllocLocked: SlabAllocLocked.name
    case .getPartial: GetPartial.name
    case .getPartialNode: GetPartialNode.name
    case .getAnyPartial: GetAnyPartial.name
    case .allocateSlab: AllocateSlab.name
    case .discardSlab: DiscardSlab.name
    case .slabFree: SlabFree.name
    case .putCPUPartial: PutCPUPartial.name
    case .putPartials: PutPartials.name
    case .deactivateSlab: DeactivateSlab.name
    case .flushCPUSlab: FlushCPUSlab.name
    case .flushAll: FlushAll.name
    case .kmemCacheShrink: KmemCacheShrink.name
    case .kmemCacheCreate: KmemCacheCreate.name
    case .kmemCacheDestroy: KmemCacheDestroy.name
    case .cacheAlloc: CacheAlloc.name
    case .cacheRefill: CacheRefill.name
    case .cacheAllocNode: CacheAllocNode.name
    case .fallbackAlloc: FallbackAlloc.name
    case .cacheGrow: CacheGrow.name
    case .slabsDestroy: SlabsDestroy.name
    case .cacheFree: CacheFree.name
    case .freeBlock: FreeBlock.name
    case .drainAlien: DrainAlien.name
    case .cacheReap: CacheReap.name
    case .drainArray: DrainArray.name
    case .drainFreelist: DrainFreelist.name
    case .doDrain: DoDrain.name
    case .shrinkArrays: ShrinkArrays.name
    case .sheafAlloc: SheafAlloc.name
    case .sheafFree: SheafFree.name
    case .sheafAllocBulk: SheafAllocBulk.name
    case .sheafFreeBulk: SheafFreeBulk.name
    case .exchangeSheaf: ExchangeSheaf.name
    case .refillSheaf: RefillSheaf.name
    case .refillFromNode: RefillFromNode.name
    case .allocFromNewSlab: AllocFromNewSlab.name
    case .allocSingle: AllocSingle.name
    case .getFromPartialNode: GetFromPartialNode.name
    case .searchNodes: SearchNodes.name
    case .flushSheaf: FlushSheaf.name
    case .slabFreeList: SlabFreeList.name
    case .flushMain: FlushMain.name
    case .flushCPUSheaves: FlushCPUSheaves.name
    case .shrinkBarn: ShrinkBarn.name
    case .allocSheaf: AllocSheaf.name
    case .freeSheaf: FreeSheaf.name
    case .kfreeRCUSheaf: KfreeRCUSheaf.name
    case .rcuFreeSheaf: RCUFreeSheaf.name
    case .flushRCUSheaves: FlushRCUSheaves.name
    case .prefillSheaf: PrefillSheaf.name
    case .topUpSheaf: TopUpSheaf.name
    case .emptySheaf: EmptySheaf.name
    case .refillPrefilled: RefillPrefilled.name
    case .returnSheaf: ReturnSheaf.name
    case .allocFromSheaf: AllocFromSheaf.name
    case .initCPUSheaves: InitCPUSheaves.name
    case .destroyCPUSheaves: DestroyCPUSheaves.name
    case .slobAlloc: SlobAlloc.name
    case .slobFree: SlobFree.name
    case .slobObject: SlobObject.name
    case .vmalloc: Vmalloc.name
    case .getVMArea: GetVMArea.name
    case .allocVmapArea: AllocVmapArea.name
    case .vmAreaAllocPages: VmAreaAllocPages.name
    case .vmapPagesRange: VmapPagesRange.name
    case .vfree: Vfree.name
    case .removeVMArea: RemoveVMArea.name
    case .findUnlinkVmapArea: FindUnlinkVmapArea.name
    case .freeUnmapVmapArea: FreeUnmapVmapArea.name
    case .vunmapRange: VunmapRange.name
    case .freeVmapAreaNoflush: FreeVmapAreaNoflush.name
    case .freeKernelTables: FreeKernelTables.name
    case .allocVmapAreaWalk: AllocVmapAreaWalk.name
    case .removeVMAreaFromList: RemoveVMAreaFromList.name
    case .purgeLazyWalk: PurgeLazyWalk.name
    case .vmMapRAM: VMMapRAM.name
    case .vmUnmapRAM: VMUnmapRAM.name
    case .vbAlloc: VbAlloc.name
    case .newVmapBlock: NewVmapBlock.name
    case .vbFree: VbFree.name
    case .freeVmapBlock: FreeVmapBlock.name
    case .walkVmapBlocks: WalkVmapBlocks.name
    case .vmap: Vmap.name
    case .vunmap: Vunmap.name
    case .delayedVfreeWork: DelayedVfreeWork.name
    case .drainVmapWork: DrainVmapWork.name
    case .purgeVmapAreaLazy: PurgeVmapAreaLazy.name
    case .purgeVmapNode: PurgeVmapNode.name
    case .reclaimListGlobal: ReclaimListGlobal.name
    case .vmUnmapAliases: VmUnmapAliases.name
    case .reclaimAndPurge: ReclaimAndPurge.name
    case .flushTLBKernelRange: FlushTLBKernelRange.name
    case .doFlushTLBAll: DoFlushTLBAll.name
    case .doKernelRangeFlush: DoKernelRangeFlush.name
    case .kvmalloc: Kvmalloc.name
    case .kvfree: Kvfree.name
    case .touch: TouchMemory.name
    }
  }

  /// Whether the code behind a call reads only what is private to its CPU until its next step, so
  /// that a callee may return to it ahead of the queue. True of the workload alone.
  @inline(__always) var maySeeAhead: Bool {
    if case .program = self { true } else { false }
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
