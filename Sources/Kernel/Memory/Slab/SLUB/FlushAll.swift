import Hardware
import Simulation

/// Gives up this CPU's slabs of a cache; a work item of each CPU that has any, to 5.14 an interrupt.
///
/// Kernel: `flush_cpu_slab()` → `flush_slab()`, `put_partials()` (mm/slub.c; 5.10, 6.12).
package enum FlushCPUSlab: Path {
  case start(cache: UInt16)
  case sheavesFlushed(cache: UInt16)
  case currentLocked(cache: UInt16)
  case detached(cache: UInt16, ID<Slab>, freelist: UInt16)
  case deactivated(cache: UInt16)
  case partialsLocked(cache: UInt16)
  case partialsTaken(ID<Slab>)
  case done

  package static var name: PathName { .flush_cpu_slab }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start(let cache):
      guard world.slab.layouts[Int(cache)].sheafCapacity > 0 else {
        return flushSlab(cache, &world, cpu)
      }
      return ask(
        .call(.flushCPUSheaves(.start(cache: cache))), then: .sheavesFlushed(cache: cache))
    case .sheavesFlushed(let cache): return flushSlab(cache, &world, cpu)
    case .currentLocked(let cache):
      let (slab, freelist) = world.slab.detach(CacheID(Int(cache)), on: cpu)
      return ask(.enable(.irqs), then: .detached(cache: cache, slab, freelist: freelist))
    case .detached(let cache, let slab, let freelist):
      guard !slab.isNone else {
        return ask(.disable(.irqs), then: .partialsLocked(cache: cache))
      }
      world.slab.note(.cpuslab_flush, of: CacheID(Int(cache)))
      return ask(.call(world.deactivation(slab, freelist)), then: .deactivated(cache: cache))
    case .deactivated(let cache):
      return ask(.disable(.irqs), then: .partialsLocked(cache: cache))
    case .partialsLocked(let cache):
      let list = world.slab.takeCPUPartials(CacheID(Int(cache)), on: cpu)
      return ask(.enable(.irqs), then: .partialsTaken(list))
    case .partialsTaken(let list):
      guard !list.isNone else { return .return() }
      return ask(.call(.putPartials(.start(list))), then: .done)
    case .done: return .return()
    }
  }

  private mutating func flushSlab(_ cache: UInt16, _ world: inout World, _ cpu: CPUID) -> Step {
    guard !world.slab.cpus[world.slab.cpu(CacheID(Int(cache)), cpu)].slab.isNone else {
      return ask(.disable(.irqs), then: .partialsLocked(cache: cache))
    }
    return ask(.disable(.irqs), then: .currentLocked(cache: cache))
  }
}

/// Flushes the slabs of all CPUs, and waits until they have.
///
/// Kernel: `flush_all_cpus_locked()` (mm/slub.c, 6.12), `flush_all()` (5.10: an interrupt to each CPU
/// that has slabs, and the own CPU's with interrupts off). Not modelled: CPU hotplug and its lock.
package enum FlushAll: Path {
  case start(cache: UInt16)
  case queueing(cache: UInt16, next: UInt16)
  case flushing(cache: UInt16, next: UInt16)
  case done

  package static var name: PathName { .flush_all_cpus_locked }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start(let cache):
      guard world.slab.rules.flushesByWork else {
        return ask(.call(.onEachCPU(.start(.flushCPUSlab(cache: cache)))), then: .done)
      }
      return ask(.acquire(world.slab.flushLock), then: .queueing(cache: cache, next: 0))
    case .queueing(let cache, let next):
      for target in Int(next)..<world.slab.cpuCount
      where world.slab.hasCPUSlab(CacheID(Int(cache)), on: CPUID(target)) {
        return ask(
          .queueWork(.flushCPUSlab(cache: cache), on: CPUID(target)),
          then: .queueing(cache: cache, next: UInt16(target + 1)))
      }
      return flush(cache, from: 0, &world)
    case .flushing(let cache, let next): return flush(cache, from: Int(next), &world)
    case .done: return .return()
    }
  }

  private mutating func flush(_ cache: UInt16, from first: Int, _ world: inout World) -> Step {
    let item = WorkItem.flushCPUSlab(cache: cache)
    for target in first..<world.slab.cpuCount where world.work.isBusy(item, on: CPUID(target)) {
      return ask(
        .call(.flushWork(.start(item, on: CPUID(target)))),
        then: .flushing(cache: cache, next: UInt16(target + 1)))
    }
    return ask(.release(world.slab.flushLock), then: .done)
  }
}

extension World {
  /// Whether a CPU must run the function that all are asked for. Kernel: `cond_func` of
  /// `smp_call_function_many_cond()`, here `has_cpu_slab()` (mm/slub.c, 5.10).
  @inline(__always)
  func concerns(_ function: CallFunction, _ cpu: CPUID) -> Bool {
    // To 3.1 all CPUs are asked.
    guard case .flushCPUSlab(let cache) = function, slab.rules.hasSlabCmpxchg else { return true }
    return slab.hasCPUSlab(CacheID(Int(cache)), on: cpu)
  }
}
