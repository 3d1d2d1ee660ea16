import Kernel

/// All words of the language, by the mapping they stand in: what the checker knows, what errors
/// suggest, and what docs/scenario.schema.json must list (a test compares them).
package enum Words {
  package static let top = [
    "scenario", "title", "description", "include", "machine", "kernel", "costs", "params",
    "caches", "buckets", "locks", "work", "timers", "tasklets", "threads", "interrupts", "run",
    "measure", "expect",
  ]
  package static let machine = [
    "topology", "cpu", "memory", "cpus", "clock", "apic", "guest", "idle",
  ]
  package static let kernel = ["version", "architecture", "va-bits", "slab", "config"]
  package static let config = [
    "transparent-hugepages", "slab-freelist-random", "memcg", "random-kmalloc-caches",
    "slab-buckets",
    "slab-merge", "kmalloc-min-align", "min-free", "slab-debug", "pti", "preempt", "hz",
  ]
  package static let cache = ["size", "align", "sheaf", "flags"]
  package static let cacheFlags = [
    "hwcache-align", "reclaim-account", "typesafe-by-rcu", "ctor", "consistency", "red-zone",
    "poison", "store-user",
  ]
  package static let thread = ["name", "on", "slots", "start", "steps", "loop", "each"]
  package static let slots = ["name", "count"]
  package static let deferred = ["do", "hi"]
  package static let interrupt = ["name", "cpus", "arrivals", "hardirq", "softirq", "nmi"]
  package static let softirq = ["budget", "each"]
  package static let arrivals = ["poisson", "every", "uniform", "burst", "units"]
  package static let burst = ["size", "every"]
  package static let run = ["warmup", "duration", "operations", "seed"]
  package static let cpusets = [
    "all", "first", "last", "others", "first-node", "last-node", "first-half", "second-half",
    "first-cpu-of-each-node", "first-cpu-of-each-package", "first-cpu-of-each-llc",
    "first-cpu-of-each-core",
  ]
  package static let cpuset = ["from", "node", "package", "llc", "core", "share", "count"]
  package static let distributions = ["constant", "uniform", "exponential"]
  package static let distributionsLater = ["lognormal", "zipf", "empirical"]
  package static let onFailure = ["continue", "drop", "stop"]

  /// The keys of a step in its mapping form; `main` is the one that its short form gives.
  package struct Step: Sendable {
    package let name: String
    package let keys: [String]
    package let required: [String]
    package let main: String?
  }

  private static func allocations(
    _ names: String..., keys: [String], required: [String]
  ) -> [Step] {
    names.map {
      Step(
        name: $0, keys: keys + ["as", "on-failure", "site"], required: required + ["as"],
        main: nil)
    }
  }

  private static func objects(_ names: String..., more: [String] = []) -> [Step] {
    names.map { Step(name: $0, keys: ["object"] + more, required: ["object"], main: "object") }
  }

  private static func caches(_ names: String...) -> [Step] {
    names.map { Step(name: $0, keys: ["cache"], required: ["cache"], main: "cache") }
  }

  /// Steps with nothing to say: a bare word.
  package static let bareSteps = [
    "local_irq_disable", "local_irq_enable", "local_bh_disable", "local_bh_enable",
    "preempt_disable", "preempt_enable", "vm_unmap_aliases", "drain_all_pages",
    "synchronize_rcu", "cond_resched",
  ]

  private static let allocating: [Step] = [
    allocations(
      "kmalloc", "kzalloc", "kvmalloc", "kvzalloc", "__vmalloc", "vmalloc_huge",
      keys: ["size", "gfp"],
      required: ["size"]),
    allocations(
      "kcalloc", "kmalloc_array", "kvcalloc", "kvmalloc_array", keys: ["n", "size", "gfp"],
      required: ["n", "size"]),
    allocations(
      "kmalloc_node", "kzalloc_node", "kvmalloc_node", keys: ["size", "gfp", "node"],
      required: ["size", "node"]),
    allocations(
      "kcalloc_node", "kmalloc_array_node", keys: ["n", "size", "gfp", "node"],
      required: ["n", "size", "node"]),
    allocations(
      "kmem_buckets_alloc", keys: ["buckets", "size", "gfp"], required: ["buckets", "size"]),
    allocations(
      "kmem_cache_alloc", "kmem_cache_zalloc", keys: ["cache", "gfp"], required: ["cache"]),
    allocations(
      "kmem_cache_alloc_node", keys: ["cache", "gfp", "node"], required: ["cache", "node"]),
    allocations(
      "alloc_pages", "__get_free_pages", keys: ["order", "gfp", "node"], required: ["order"]),
    allocations(
      "vmalloc", "vzalloc", "vmalloc_user", "vmalloc_32", "module_alloc", keys: ["size"],
      required: ["size"]),
    allocations(
      "vmalloc_node", "vzalloc_node", keys: ["size", "node"], required: ["size", "node"]),
    allocations("__vmalloc_node", keys: ["size", "align", "gfp", "node"], required: ["size"]),
    allocations("vmap", "vm_map_ram", keys: ["pages"], required: ["pages"]),
  ].flatMap { $0 }

  /// The object is changed in its place, so it has no `as:`.
  private static let reallocating: [Step] = [
    Step(
      name: "krealloc", keys: ["object", "size", "gfp", "on-failure", "site"],
      required: ["object", "size"], main: nil),
    Step(
      name: "kvrealloc", keys: ["object", "size", "gfp", "on-failure", "site"],
      required: ["object", "size"], main: nil),
    Step(
      name: "vrealloc", keys: ["object", "size", "gfp", "on-failure", "site"],
      required: ["object", "size"], main: nil),
    Step(
      name: "krealloc_array", keys: ["object", "n", "size", "gfp", "on-failure", "site"],
      required: ["object", "n", "size"], main: nil),
  ]

  private static let bulk: [Step] = [
    Step(
      name: "kmem_cache_alloc_bulk", keys: ["cache", "as", "gfp", "on-failure", "site"],
      required: ["cache", "as"], main: nil),
    Step(
      name: "kmem_cache_free_bulk", keys: ["cache", "objects"], required: ["cache", "objects"],
      main: nil),
    Step(name: "kfree_bulk", keys: ["objects"], required: ["objects"], main: "objects"),
  ]

  /// Prefilled sheaves, from 6.18.
  private static let sheaves: [Step] = [
    Step(
      name: "kmem_cache_prefill_sheaf", keys: ["cache", "n", "gfp", "as", "on-failure", "site"],
      required: ["cache", "n", "as"], main: nil),
    Step(
      name: "kmem_cache_refill_sheaf", keys: ["sheaf", "n", "gfp", "on-failure", "site"],
      required: ["sheaf", "n"], main: nil),
    Step(
      name: "kmem_cache_alloc_from_sheaf", keys: ["sheaf", "as", "on-failure", "site"],
      required: ["sheaf", "as"], main: nil),
    Step(name: "kmem_cache_return_sheaf", keys: ["sheaf"], required: ["sheaf"], main: "sheaf"),
  ]

  /// Work put off, in the kernel's spelling.
  private static let deferring: [Step] = [
    Step(name: "schedule_work", keys: ["work"], required: ["work"], main: "work"),
    Step(
      name: "schedule_work_on", keys: ["work", "cpu"], required: ["work", "cpu"], main: nil),
    Step(
      name: "schedule_delayed_work", keys: ["work", "delay"], required: ["work", "delay"],
      main: nil),
    Step(name: "flush_work", keys: ["work"], required: ["work"], main: "work"),
    Step(name: "stop_machine", keys: ["work"], required: ["work"], main: "work"),
    Step(name: "tasklet_schedule", keys: ["tasklet"], required: ["tasklet"], main: "tasklet"),
    Step(name: "mod_timer", keys: ["timer", "delay"], required: ["timer", "delay"], main: nil),
  ]

  private static let own: [Step] = [
    Step(name: "work", keys: distributions, required: [], main: nil),
    Step(name: "user_work", keys: distributions, required: [], main: nil),
    Step(name: "sleep", keys: distributions, required: [], main: nil),
    Step(name: "lock", keys: ["lock", "irqs"], required: ["lock"], main: "lock"),
    Step(name: "unlock", keys: ["lock"], required: ["lock"], main: "lock"),
    Step(name: "raise", keys: ["softirq"], required: ["softirq"], main: "softirq"),
    Step(
      name: "hand_over", keys: ["to", "objects", "on-failure"], required: ["to", "objects"],
      main: nil),
    Step(name: "repeat", keys: ["times", "do"], required: ["times", "do"], main: nil),
    Step(name: "choose", keys: ["weight", "do"], required: ["weight", "do"], main: nil),
    Step(name: "when", keys: ["full", "empty", "then", "else"], required: ["then"], main: nil),
    Step(
      name: "is_vmalloc_addr", keys: ["object", "then", "else"], required: ["object", "then"],
      main: nil),
    Step(name: "pick", keys: ["pool", "own", "next"], required: ["pool"], main: "pool"),
    Step(name: "pick_next", keys: ["pool"], required: ["pool"], main: "pool"),
    Step(name: "count", keys: ["counter"], required: ["counter"], main: "counter"),
  ]

  /// What code may ask of its context, as `in_interrupt: {then: [...], else: [...]}`.
  private static let predicates = ContextPredicate.allCases.map {
    Step(name: $0.text, keys: ["then", "else"], required: ["then"], main: nil)
  }

  /// What an NMI's handler may do.
  package static let nmiSteps: [String] =
    [
      "work", "count", "repeat", "choose", "raw_spin_trylock", "vfree", "vfree_atomic", "when",
      "cond_resched", "raw_spin_lock", "raw_spin_unlock",
    ] + predicates.map(\.name)

  package static let steps: [Step] =
    allocating + reallocating + bulk + sheaves + deferring
    + objects(
      "kfree_sensitive", "kfree_rcu", "kfree_rcu_mightsleep", "ksize", "free_pages",
      "vfree_atomic", "vunmap", "vm_unmap_ram", "forget")
    + objects(
      "kfree", "vfree", "kvfree", "vmalloc_to_page", "virt_to_phys", "virt_to_page",
      more: ["offset"])
    + objects("kmem_cache_free", more: ["cache"]) + objects("touch", more: ["stride", "at"])
    + caches("kmem_cache_create", "kmem_cache_shrink", "kmem_cache_destroy") + own + predicates
    + LockWord.steps

  package static func step(_ name: String) -> Step? { steps.first { $0.name == name } }
  package static let stepNames: [String] = steps.map(\.name) + bareSteps

  /// Steps of the language that this version does not build.
  package static let stepsLater: Set<String> = [
    "alloc_pages_bulk",
    "alloc_pages_node", "alloc_pages_exact", "free_pages_exact", "__free_pages", "get_zeroed_page",
    "kmemdup", "kstrdup",
    "mempool_create", "mempool_alloc", "mempool_free", "dma_pool_alloc", "alloc_percpu",
    "free_percpu", "rcu_read_lock", "rcu_read_unlock",
    "call_rcu", "queue_work", "wait_event", "wake_up",
  ]

  /// Kernel spellings of what is called otherwise here.
  package static let renamed = [
    "kzfree": "kfree_sensitive",
    "raise_softirq": "raise", "msleep": "sleep", "usleep_range": "sleep", "udelay": "work",
    "ndelay": "work", "mdelay": "work", "local_irq_save": "local_irq_disable",
    "local_irq_restore": "local_irq_enable",
  ]

  /// Keys of the language that this version does not build, with what to do instead.
  package static let keysLater = [
    "study": "sweep with `kmemu study run SCENARIO --vary KEY=a,b,c`",
    "by": "pass objects with hand_over, or free another CPU's with `pick: {pool: ..., next: 1}`",
    "from": "pass objects with hand_over, or free another CPU's with `pick: {pool: ..., next: 1}`",
    "objects": "name the cache under `caches:`",
  ]
}
