import Hardware
import Simulation

/// Frees an object when a grace period is over.
///
/// From 6.18 on an object of a cache with sheaves goes into one of its CPU, if that takes it.
///
/// Kernel: `kvfree_call_rcu()` (kernel/rcu/tree.c, 6.12; mm/slab_common.c, 6.18), behind
/// `kfree_rcu()` and, where it may sleep, `kfree_rcu_mightsleep()`; `kfree_call_rcu()` up to 5.7.
package enum KvfreeCallRCU: Path {
  case start(Address, mightSleep: Bool)
  case sheafAsked(Address, mightSleep: Bool)
  case inside(Address, mightSleep: Bool)
  case pageWanted(Address)
  case pageGiven(Address)
  case insideAgain(Address, PFN)
  case waited(Address)
  case fetching
  case scheduling
  case leaving
  case done

  package static var name: PathName { .kvfree_call_rcu }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start(let address, let mightSleep):
      guard !address.isZeroOrNull else { return .return() }
      if mightSleep {
        world.mightSleep(
          on: cpu,
          "kfree_rcu_mightsleep() may sleep. Give the object an rcu_head for kfree_rcu().")
      }
      if let object = world.objectForRCUSheaf(address, on: cpu) {
        return ask(
          .call(.kfreeRCUSheaf(.start(object))),
          then: .sheafAsked(address, mightSleep: mightSleep))
      }
      return gather(address, mightSleep, &world)
    case .sheafAsked(let address, let mightSleep):
      return reply.bool ? .return() : gather(address, mightSleep, &world)
    case .inside(let address, let mightSleep):
      return record(address, mightSleep, &world, cpu)
    case .pageWanted(let address):
      let gfp: GFPFlags = [.kernel, .noRetry, .noMemAlloc, .noWarn]
      return ask(
        .call(.allocPages(.start(order: Order(0), gfp: gfp, node: .any))), then: .pageGiven(address)
      )
    case .pageGiven(let address):
      guard !reply.pfn.isNone else {
        return ask(.call(.synchronizeRCU(.start)), then: .waited(address))
      }
      return ask(.disable(.irqs), then: .insideAgain(address, reply.pfn))
    case .insideAgain(let address, let page):
      _ = world.kfreeRCU.addSpare(page, on: cpu, always: true)
      return record(address, true, &world, cpu)
    case .waited(let address): return ask(.call(.kvfree(.start(address))), then: .done)
    case .fetching: return schedule(&world, cpu)
    case .scheduling: return schedule(&world, cpu)
    case .leaving: return ask(.enable(.irqs), then: .done)
    case .done: return .return()
    }
  }

  private mutating func gather(
    _ address: Address, _ mightSleep: Bool, _ world: inout World
  ) -> Step {
    guard world.slab.rules.kfreeRCU == .batched else {
      return mightSleep
        ? ask(.call(.synchronizeRCU(.start)), then: .waited(address))
        : ask(.call(.callRCU(.start(.kfree(address)))), then: .done)
    }
    return ask(.disable(.irqs), then: .inside(address, mightSleep: mightSleep))
  }

  private mutating func record(
    _ address: Address, _ mightSleep: Bool, _ world: inout World, _ cpu: CPUID
  ) -> Step {
    let isVmalloc = world.vmalloc.isVmalloc(address)
    guard !world.kfreeRCU.add(address, isVmalloc: isVmalloc, on: cpu) else {
      return ask(.work(.rcuCall), then: .scheduling)
    }
    guard !mightSleep else { return ask(.enable(.irqs), then: .pageWanted(address)) }
    world.kfreeRCU.addToHead(address, on: cpu)
    guard !world.kfreeRCU.cpus[cpu.index].isFetching else {
      return ask(.work(.rcuCall), then: .scheduling)
    }
    world.kfreeRCU.cpus[cpu.index].isFetching = true
    return ask(.queueWork(.fillPageCache, on: cpu), then: .fetching)
  }

  private mutating func schedule(_ world: inout World, _ cpu: CPUID) -> Step {
    guard
      let due = world.kfreeRCU.schedule(on: cpu, at: world.now, jiffy: world.ticks.jiffy),
      let alarm = world.alarm(by: due)
    else { return ask(.enable(.irqs), then: .done) }
    return ask(alarm, then: .leaving)
  }
}

/// The timer's work: what has gathered becomes a batch, if one is free; if not, it tries again.
///
/// Kernel: `kfree_rcu_monitor()` (kernel/rcu/tree.c, 6.12).
package enum KfreeRCUMonitor: Path {
  case start
  case inside
  case begun(UInt8)
  case later
  case done

  package static var name: PathName { .kfree_rcu_monitor }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start: return ask(.work(.workQueueOp), then: .inside)
    case .inside:
      guard let batch = world.kfreeRCU.beginBatch(on: cpu) else { return again(&world, cpu) }
      return ask(.call(.callRCU(.start(.kfreeBatch(batch)))), then: .begun(batch))
    case .begun, .later: return again(&world, cpu)
    case .done: return .return()
    }
  }

  private mutating func again(_ world: inout World, _ cpu: CPUID) -> Step {
    guard !world.kfreeRCU.cpus[cpu.index].gathering.isEmpty,
      let due = world.kfreeRCU.schedule(on: cpu, at: world.now, jiffy: world.ticks.jiffy),
      let alarm = world.alarm(by: due)
    else { return .return() }
    return ask(alarm, then: .done)
  }
}

/// Frees a batch whose grace period is over, in a kworker.
///
/// Kernel: `kfree_rcu_work()`, `kvfree_rcu_bulk()`, `kvfree_rcu_list()` (kernel/rcu/tree.c, 6.12).
package enum KfreeRCUWork: Path {
  case start(UInt8)
  case next

  package static var name: PathName { .kfree_rcu_work }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    if case .start(let batch) = self { world.kfreeRCU.beginFreeing(batch, on: cpu) }
    switch world.kfreeRCU.nextToFree(on: cpu) {
    case .pointer(let address): return ask(.call(.kvfree(.start(address))), then: .next)
    case .emptied(let block):
      guard let page = world.kfreeRCU.giveUp(block, on: cpu) else {
        return ask(.condResched, then: .next)
      }
      return ask(.call(.freePages(.start(page, Order(0)))), then: .next)
    case .nothing: return .return()
    }
  }
}

/// Fetches spare pages for blocks, in a kworker. Kernel: `fill_page_cache_func()`
/// (kernel/rcu/tree.c, 6.12).
package enum FillPageCache: Path {
  case start
  case given
  case freed

  package static var name: PathName { .fill_page_cache_func }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start: return fetch(&world, cpu)
    case .given:
      guard !reply.pfn.isNone else { return end(&world, cpu) }
      if world.kfreeRCU.addSpare(reply.pfn, on: cpu) { return fetch(&world, cpu) }
      return ask(.call(.freePages(.start(reply.pfn, Order(0)))), then: .freed)
    case .freed: return end(&world, cpu)
    }
  }

  private mutating func fetch(_ world: inout World, _ cpu: CPUID) -> Step {
    guard world.kfreeRCU.cpus[cpu.index].spareCount < KfreeRCU.sparesMax else {
      return end(&world, cpu)
    }
    let gfp: GFPFlags = [.kernel, .noRetry, .noMemAlloc, .noWarn]
    return ask(
      .call(.allocPages(.start(order: Order(0), gfp: gfp, node: .any))), then: .given)
  }

  private func end(_ world: inout World, _ cpu: CPUID) -> Step {
    world.kfreeRCU.cpus[cpu.index].isFetching = false
    return .return()
  }
}
