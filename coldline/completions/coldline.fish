# SPDX-License-Identifier: GPL-2.0-or-later
# scripts/generate makes this file with shtab.

function _shtab_coldline_scan
  set -g _shtab_coldline_cmdpath ''
  set -g _shtab_coldline_npos 0
  set -l tokens (commandline -opc)
  set -e tokens[1]
  set -l expect_value 0
  for t in $tokens
    if test $expect_value -eq 1
      set expect_value 0
      continue
    end
    switch "$t"
      case '--*=*'
        continue
      case '-*'
        if contains -- $t $_shtab_coldline_opts_with_value
          set expect_value 1
        end
        continue
      case '*'
        if test $_shtab_coldline_npos -eq 0
          set -l candidate $t
          if test -n "$_shtab_coldline_cmdpath"
            set candidate "$_shtab_coldline_cmdpath $t"
          end
          if contains -- $candidate $_shtab_coldline_commands
            set -g _shtab_coldline_cmdpath $candidate
            continue
          end
        end
        set -g _shtab_coldline_npos (math $_shtab_coldline_npos + 1)
    end
  end
end

# Condition helper: true if the current (sub)command path equals the given one.
function _shtab_coldline_using
  _shtab_coldline_scan
  test "$_shtab_coldline_cmdpath" = "$argv"
end

set -g _shtab_coldline_commands boot check convert corpus matrix plan rules create console list pause unpause destroy completion
set -g _shtab_coldline_opts_with_value --append --arch --bios --cmdline --core --dtb --dtb-only --dtb-out --el --entry --fit-config --from --gic --hazards --host --initrd --load --machine --max-hazards --max-image --max-instructions --max-unpacked --memory --name --ramdisk --sample --stories --strategy --svg --to --trace --trace-format --until --vcpus --write

complete -c coldline -e
complete -c coldline -f

complete -c coldline -n _shtab_coldline_using -s h -l help -d 'show this help message and exit'
complete -c coldline -n _shtab_coldline_using -l version -d 'show program'"'"'s version number and exit'
complete -c coldline -n '_shtab_coldline_using; and test $_shtab_coldline_npos -eq 0' -a boot -d 'Build a guest on a simulated host, run its own boot code with its MMU and caches off until it has them on, and say whether any cache can show it stale memory.'
complete -c coldline -n '_shtab_coldline_using boot' -s h -l help -d 'show this help message and exit'
complete -c coldline -n '_shtab_coldline_using boot' -l sample -xka "midway-arm64 midway-arm32" -d 'a guest that comes with coldline: midway-arm64, midway-arm32'
complete -c coldline -n '_shtab_coldline_using boot' -l bios -xka "(__fish_complete_path (commandline -ct))" -d 'firmware in place of IMAGE: it starts in virt'"'"'s flash'
complete -c coldline -n '_shtab_coldline_using boot' -l machine -xka "xenvm virt" -d 'xenvm (Xen'"'"'s, the default) or virt (QEMU'"'"'s, the default with --bios)'
complete -c coldline -n '_shtab_coldline_using boot' -l initrd -l ramdisk -xka "(__fish_complete_path (commandline -ct))" -d 'the kernel'"'"'s initrd'
complete -c coldline -n '_shtab_coldline_using boot' -l append -l cmdline -x -d 'the kernel'"'"'s command line'
complete -c coldline -n '_shtab_coldline_using boot' -l memory -x -d 'RAM; a bare number is MiB (default 256M)'
complete -c coldline -n '_shtab_coldline_using boot' -l vcpus -x -d 'as the device tree tells (default 1)'
complete -c coldline -n '_shtab_coldline_using boot' -l gic -xka "2 3" -d 'GIC version (default 3; on virt and for arm32 2)'
complete -c coldline -n '_shtab_coldline_using boot' -l dtb -xka "(__fish_complete_path (commandline -ct))" -d 'a partial device tree to merge, as xl'"'"'s device_tree: /passthrough, /aliases'
complete -c coldline -n '_shtab_coldline_using boot' -l dtb-only -xka "(__fish_complete_path (commandline -ct))" -d 'a whole device tree in place of the generated one'
complete -c coldline -n '_shtab_coldline_using boot' -l el -xka "1 2" -d 'exception level at entry (default 1)'
complete -c coldline -n '_shtab_coldline_using boot' -l fit-config -x -d 'a FIT'"'"'s configuration in place of its default'
complete -c coldline -n '_shtab_coldline_using boot' -l load -x -d 'IMAGE is raw: load it there (with --entry and --arch)'
complete -c coldline -n '_shtab_coldline_using boot' -l entry -x -d 'where a raw IMAGE starts'
complete -c coldline -n '_shtab_coldline_using boot' -l arch -xka "arm64 arm32" -d 'what a raw IMAGE or --bios is for'
complete -c coldline -n '_shtab_coldline_using boot' -l max-image -x -d 'refuse larger files (default 1G)'
complete -c coldline -n '_shtab_coldline_using boot' -l max-unpacked -x -d 'refuse what unpacks to more (default 1G)'
complete -c coldline -n '_shtab_coldline_using boot' -l strategy -xka "none flush syscall uncached hypercall uncached-hypercall" -d 'none, flush (arm64), syscall (arm32), uncached (the default), hypercall, uncached-hypercall'
complete -c coldline -n '_shtab_coldline_using boot' -l host -xka "rfc xen-4.17-arm64 xen-4.17-arm32 xen-4.22-arm64 kvm-arm64 kvm-s2fwb" -d 'rfc (the default), xen-4.17-arm64, xen-4.17-arm32, xen-4.22-arm64, kvm-arm64, kvm-s2fwb'
complete -c coldline -n '_shtab_coldline_using boot' -l core -xka "armv8-a cortex-a53 cortex-a57 cortex-a72 xgene1 neoverse-n1 armv7-a cortex-a7 cortex-a15" -d 'core profile (default armv8-a, for arm32 armv7-a)'
complete -c coldline -n '_shtab_coldline_using boot' -l until -x -d 'mmu, psci (the first PSCI call; the default), console:TEXT, or a number of instructions'
complete -c coldline -n '_shtab_coldline_using boot' -l max-instructions -x -d 'give up after so many (default 4,000,000,000)'
complete -c coldline -n '_shtab_coldline_using boot' -l nc-may-hit -d 'non-cacheable reads may also return a cached copy'
complete -c coldline -n '_shtab_coldline_using boot' -l setway-effective -d 'set/way maintenance reaches every copy of a line'
complete -c coldline -n '_shtab_coldline_using boot' -l idc -d 'CTR_EL0.IDC: instruction fetches see level 1 data caches'
complete -c coldline -n '_shtab_coldline_using boot' -l dic -d 'CTR_EL0.DIC: no instruction cache ever holds an old copy'
complete -c coldline -n '_shtab_coldline_using boot' -l trace -xka "(__fish_complete_path (commandline -ct))" -d 'write every event, for '"'"'coldline check'"'"''
complete -c coldline -n '_shtab_coldline_using boot' -l trace-format -xka "text binary" -d 'text (the default) or binary, which is smaller and faster'
complete -c coldline -n '_shtab_coldline_using boot' -l json -d 'one object on standard output'
complete -c coldline -n '_shtab_coldline_using boot' -l quiet -d 'the verdict alone'
complete -c coldline -n '_shtab_coldline_using boot' -l hazards -x -d 'tell of so many hazards (default 5, with --json 100)'
complete -c coldline -n '_shtab_coldline_using boot; and test $_shtab_coldline_npos -eq 0' -ka "(__fish_complete_path (commandline -ct))" -d 'a kernel: Image, zImage, EFI zboot, ELF, uImage or FIT, compressed or not; or raw with --load; or a guest configuration file, as xl takes it'
complete -c coldline -n '_shtab_coldline_using; and test $_shtab_coldline_npos -eq 0' -a check -d 'Read traces, in their text form or their binary form, and say of each whether any fill or eviction that the architecture allows can show stale data.'
complete -c coldline -n '_shtab_coldline_using check' -s h -l help -d 'show this help message and exit'
complete -c coldline -n '_shtab_coldline_using check' -l json -d 'one object a line, a file each'
complete -c coldline -n '_shtab_coldline_using check' -l witness -d 'each hazard as a trace of its own, with every step that a cache takes written out'
complete -c coldline -n '_shtab_coldline_using check' -l quiet -d 'the verdicts alone'
complete -c coldline -n '_shtab_coldline_using check' -l max-hazards -x -d 'list no more hazards of a file (default 100,000)'
complete -c coldline -n '_shtab_coldline_using check' -l stories -x -d 'witnesses for the first N of them (default 1000)'
complete -c coldline -n '_shtab_coldline_using check; and test $_shtab_coldline_npos -ge 0' -ka "(__fish_complete_path (commandline -ct))" -d 'a trace; - is standard input'
complete -c coldline -n '_shtab_coldline_using; and test $_shtab_coldline_npos -eq 0' -a convert -d 'Read a trace in either form and write the same events in the other. Nothing is judged, but what is no trace is an error, and then nothing is written.'
complete -c coldline -n '_shtab_coldline_using convert' -s h -l help -d 'show this help message and exit'
complete -c coldline -n '_shtab_coldline_using convert' -l to -xka "text binary" -d 'text or binary (default: the one that IN is not)'
complete -c coldline -n '_shtab_coldline_using convert; and test $_shtab_coldline_npos -eq 0' -ka "(__fish_complete_path (commandline -ct))" -d 'a trace; - is standard input'
complete -c coldline -n '_shtab_coldline_using convert; and test $_shtab_coldline_npos -eq 1' -ka "(__fish_complete_path (commandline -ct))" -d 'the file to write, whole or not at all; - is standard output'
complete -c coldline -n '_shtab_coldline_using; and test $_shtab_coldline_npos -eq 0' -a corpus -d 'Check the traces of real bugs that come with coldline, and say whether each verdict is the one that the bug'"'"'s story tells. With a NAME, tell that bug'"'"'s story.'
complete -c coldline -n '_shtab_coldline_using corpus' -s h -l help -d 'show this help message and exit'
complete -c coldline -n '_shtab_coldline_using corpus' -l json -d 'one object on standard output'
complete -c coldline -n '_shtab_coldline_using corpus' -l list -d 'the names and titles; check nothing'
complete -c coldline -n '_shtab_coldline_using corpus' -l write -xka "(__fish_complete_directories)" -d 'copy the files into a new folder; check nothing'
complete -c coldline -n '_shtab_coldline_using corpus' -l from -xka "(__fish_complete_directories)" -d 'another corpus of the same form'
complete -c coldline -n '_shtab_coldline_using corpus; and test $_shtab_coldline_npos -eq 0' -ka "edk2-12509 edk2-448 gbl-276f9de6b1b1 kvm-2a8dfab26677 kvm-363ef89f8e9b kvm-7ae2f3db6167 kvm-9d218a1fcf4c linux-8ec41987436d linux-9d2d75ede59b linux-bc9f3d7788a8 linux-d0488597a1b7 linux-f32c7a8e4510 linux-f7daa9c8fd19 sel4-481 serenity-26763 uboot-d702b0811df5 xen-a0035ecc0d82 xen-ed250c269831 xen-xsa-437 zephyr-42546" -d 'a bug, as --list gives them'
complete -c coldline -n '_shtab_coldline_using; and test $_shtab_coldline_npos -eq 0' -a matrix -d 'Boot one guest by every strategy on every host model and print the verdicts as a table.'
complete -c coldline -n '_shtab_coldline_using matrix' -s h -l help -d 'show this help message and exit'
complete -c coldline -n '_shtab_coldline_using matrix' -l sample -xka "midway-arm64 midway-arm32" -d 'a guest that comes with coldline: midway-arm64, midway-arm32'
complete -c coldline -n '_shtab_coldline_using matrix' -l bios -xka "(__fish_complete_path (commandline -ct))" -d 'firmware in place of IMAGE: it starts in virt'"'"'s flash'
complete -c coldline -n '_shtab_coldline_using matrix' -l machine -xka "xenvm virt" -d 'xenvm (Xen'"'"'s, the default) or virt (QEMU'"'"'s, the default with --bios)'
complete -c coldline -n '_shtab_coldline_using matrix' -l initrd -l ramdisk -xka "(__fish_complete_path (commandline -ct))" -d 'the kernel'"'"'s initrd'
complete -c coldline -n '_shtab_coldline_using matrix' -l append -l cmdline -x -d 'the kernel'"'"'s command line'
complete -c coldline -n '_shtab_coldline_using matrix' -l memory -x -d 'RAM; a bare number is MiB (default 256M)'
complete -c coldline -n '_shtab_coldline_using matrix' -l vcpus -x -d 'as the device tree tells (default 1)'
complete -c coldline -n '_shtab_coldline_using matrix' -l gic -xka "2 3" -d 'GIC version (default 3; on virt and for arm32 2)'
complete -c coldline -n '_shtab_coldline_using matrix' -l dtb -xka "(__fish_complete_path (commandline -ct))" -d 'a partial device tree to merge, as xl'"'"'s device_tree: /passthrough, /aliases'
complete -c coldline -n '_shtab_coldline_using matrix' -l dtb-only -xka "(__fish_complete_path (commandline -ct))" -d 'a whole device tree in place of the generated one'
complete -c coldline -n '_shtab_coldline_using matrix' -l el -xka "1 2" -d 'exception level at entry (default 1)'
complete -c coldline -n '_shtab_coldline_using matrix' -l fit-config -x -d 'a FIT'"'"'s configuration in place of its default'
complete -c coldline -n '_shtab_coldline_using matrix' -l load -x -d 'IMAGE is raw: load it there (with --entry and --arch)'
complete -c coldline -n '_shtab_coldline_using matrix' -l entry -x -d 'where a raw IMAGE starts'
complete -c coldline -n '_shtab_coldline_using matrix' -l arch -xka "arm64 arm32" -d 'what a raw IMAGE or --bios is for'
complete -c coldline -n '_shtab_coldline_using matrix' -l max-image -x -d 'refuse larger files (default 1G)'
complete -c coldline -n '_shtab_coldline_using matrix' -l max-unpacked -x -d 'refuse what unpacks to more (default 1G)'
complete -c coldline -n '_shtab_coldline_using matrix' -l core -xka "armv8-a cortex-a53 cortex-a57 cortex-a72 xgene1 neoverse-n1 armv7-a cortex-a7 cortex-a15" -d 'core profile (default armv8-a, for arm32 armv7-a)'
complete -c coldline -n '_shtab_coldline_using matrix' -l until -x -d 'mmu, psci (the first PSCI call; the default), console:TEXT, or a number of instructions'
complete -c coldline -n '_shtab_coldline_using matrix' -l max-instructions -x -d 'give up after so many (default 4,000,000,000)'
complete -c coldline -n '_shtab_coldline_using matrix' -l nc-may-hit -d 'non-cacheable reads may also return a cached copy'
complete -c coldline -n '_shtab_coldline_using matrix' -l setway-effective -d 'set/way maintenance reaches every copy of a line'
complete -c coldline -n '_shtab_coldline_using matrix' -l idc -d 'CTR_EL0.IDC: instruction fetches see level 1 data caches'
complete -c coldline -n '_shtab_coldline_using matrix' -l dic -d 'CTR_EL0.DIC: no instruction cache ever holds an old copy'
complete -c coldline -n '_shtab_coldline_using matrix' -l json -d 'one object on standard output'
complete -c coldline -n '_shtab_coldline_using matrix; and test $_shtab_coldline_npos -eq 0' -ka "(__fish_complete_path (commandline -ct))" -d 'a kernel: Image, zImage, EFI zboot, ELF, uImage or FIT, compressed or not; or raw with --load; or a guest configuration file, as xl takes it'
complete -c coldline -n '_shtab_coldline_using; and test $_shtab_coldline_npos -eq 0' -a plan -d 'Plan a guest, as a kernel or a configuration file has it, and print what is where in its memory and why. No host is needed, and nothing is built or run.'
complete -c coldline -n '_shtab_coldline_using plan' -s h -l help -d 'show this help message and exit'
complete -c coldline -n '_shtab_coldline_using plan' -l sample -xka "midway-arm64 midway-arm32" -d 'a guest that comes with coldline: midway-arm64, midway-arm32'
complete -c coldline -n '_shtab_coldline_using plan' -l bios -xka "(__fish_complete_path (commandline -ct))" -d 'firmware in place of IMAGE: it starts in virt'"'"'s flash'
complete -c coldline -n '_shtab_coldline_using plan' -l machine -xka "xenvm virt" -d 'xenvm (Xen'"'"'s, the default) or virt (QEMU'"'"'s, the default with --bios)'
complete -c coldline -n '_shtab_coldline_using plan' -l initrd -l ramdisk -xka "(__fish_complete_path (commandline -ct))" -d 'the kernel'"'"'s initrd'
complete -c coldline -n '_shtab_coldline_using plan' -l append -l cmdline -x -d 'the kernel'"'"'s command line'
complete -c coldline -n '_shtab_coldline_using plan' -l memory -x -d 'RAM; a bare number is MiB (default 256M)'
complete -c coldline -n '_shtab_coldline_using plan' -l vcpus -x -d 'as the device tree tells (default 1)'
complete -c coldline -n '_shtab_coldline_using plan' -l gic -xka "2 3" -d 'GIC version (default 3; on virt and for arm32 2)'
complete -c coldline -n '_shtab_coldline_using plan' -l dtb -xka "(__fish_complete_path (commandline -ct))" -d 'a partial device tree to merge, as xl'"'"'s device_tree: /passthrough, /aliases'
complete -c coldline -n '_shtab_coldline_using plan' -l dtb-only -xka "(__fish_complete_path (commandline -ct))" -d 'a whole device tree in place of the generated one'
complete -c coldline -n '_shtab_coldline_using plan' -l el -xka "1 2" -d 'exception level at entry (default 1)'
complete -c coldline -n '_shtab_coldline_using plan' -l fit-config -x -d 'a FIT'"'"'s configuration in place of its default'
complete -c coldline -n '_shtab_coldline_using plan' -l load -x -d 'IMAGE is raw: load it there (with --entry and --arch)'
complete -c coldline -n '_shtab_coldline_using plan' -l entry -x -d 'where a raw IMAGE starts'
complete -c coldline -n '_shtab_coldline_using plan' -l arch -xka "arm64 arm32" -d 'what a raw IMAGE or --bios is for'
complete -c coldline -n '_shtab_coldline_using plan' -l max-image -x -d 'refuse larger files (default 1G)'
complete -c coldline -n '_shtab_coldline_using plan' -l max-unpacked -x -d 'refuse what unpacks to more (default 1G)'
complete -c coldline -n '_shtab_coldline_using plan' -l core -xka "armv8-a cortex-a53 cortex-a57 cortex-a72 xgene1 neoverse-n1 armv7-a cortex-a7 cortex-a15" -d 'core profile (default armv8-a, for arm32 armv7-a)'
complete -c coldline -n '_shtab_coldline_using plan' -l json -d 'one object on standard output'
complete -c coldline -n '_shtab_coldline_using plan' -l svg -xka "(__fish_complete_path (commandline -ct))" -d 'draw the memory map; - is standard output'
complete -c coldline -n '_shtab_coldline_using plan' -l dtb-out -xka "(__fish_complete_path (commandline -ct))" -d 'write the guest'"'"'s device tree; - is standard output'
complete -c coldline -n '_shtab_coldline_using plan; and test $_shtab_coldline_npos -eq 0' -ka "(__fish_complete_path (commandline -ct))" -d 'a kernel: Image, zImage, EFI zboot, ELF, uImage or FIT, compressed or not; or raw with --load; or a guest configuration file, as xl takes it'
complete -c coldline -n '_shtab_coldline_using; and test $_shtab_coldline_npos -eq 0' -a rules -d 'Print the automaton of a byte as Markdown tables: each state in words, what reads find in it, and where each event leads.'
complete -c coldline -n '_shtab_coldline_using rules' -s h -l help -d 'show this help message and exit'
complete -c coldline -n '_shtab_coldline_using rules' -l nc-may-hit -d 'non-cacheable reads may also return a cached copy'
complete -c coldline -n '_shtab_coldline_using rules' -l setway-effective -d 'set/way maintenance reaches every copy of a line'
complete -c coldline -n '_shtab_coldline_using rules' -l idc -d 'CTR_EL0.IDC: instruction fetches see level 1 data caches'
complete -c coldline -n '_shtab_coldline_using rules' -l dic -d 'CTR_EL0.DIC: no instruction cache ever holds an old copy'
complete -c coldline -n '_shtab_coldline_using rules' -l dot -d 'a drawing in place of tables, for Graphviz'
complete -c coldline -n '_shtab_coldline_using rules' -l sources -d 'where in the Arm ARM each rule comes from, instead'
complete -c coldline -n '_shtab_coldline_using; and test $_shtab_coldline_npos -eq 0' -a create -d 'Build a guest on the Xen that runs, from its dom0, and start it. xl knows it then, too.'
complete -c coldline -n '_shtab_coldline_using create' -s h -l help -d 'show this help message and exit'
complete -c coldline -n '_shtab_coldline_using create' -l sample -xka "midway-arm64 midway-arm32" -d 'a guest that comes with coldline: midway-arm64, midway-arm32'
complete -c coldline -n '_shtab_coldline_using create' -l bios -xka "(__fish_complete_path (commandline -ct))" -d 'firmware in place of IMAGE: it starts in virt'"'"'s flash'
complete -c coldline -n '_shtab_coldline_using create' -l machine -xka "xenvm virt" -d 'xenvm (Xen'"'"'s, the default) or virt (QEMU'"'"'s, the default with --bios)'
complete -c coldline -n '_shtab_coldline_using create' -l initrd -l ramdisk -xka "(__fish_complete_path (commandline -ct))" -d 'the kernel'"'"'s initrd'
complete -c coldline -n '_shtab_coldline_using create' -l append -l cmdline -x -d 'the kernel'"'"'s command line'
complete -c coldline -n '_shtab_coldline_using create' -l memory -x -d 'RAM; a bare number is MiB (default 256M)'
complete -c coldline -n '_shtab_coldline_using create' -l vcpus -x -d 'as the device tree tells (default 1)'
complete -c coldline -n '_shtab_coldline_using create' -l gic -xka "2 3" -d 'GIC version (default 3; on virt and for arm32 2)'
complete -c coldline -n '_shtab_coldline_using create' -l dtb -xka "(__fish_complete_path (commandline -ct))" -d 'a partial device tree to merge, as xl'"'"'s device_tree: /passthrough, /aliases'
complete -c coldline -n '_shtab_coldline_using create' -l dtb-only -xka "(__fish_complete_path (commandline -ct))" -d 'a whole device tree in place of the generated one'
complete -c coldline -n '_shtab_coldline_using create' -l el -xka "1 2" -d 'exception level at entry (default 1)'
complete -c coldline -n '_shtab_coldline_using create' -l fit-config -x -d 'a FIT'"'"'s configuration in place of its default'
complete -c coldline -n '_shtab_coldline_using create' -l load -x -d 'IMAGE is raw: load it there (with --entry and --arch)'
complete -c coldline -n '_shtab_coldline_using create' -l entry -x -d 'where a raw IMAGE starts'
complete -c coldline -n '_shtab_coldline_using create' -l arch -xka "arm64 arm32" -d 'what a raw IMAGE or --bios is for'
complete -c coldline -n '_shtab_coldline_using create' -l max-image -x -d 'refuse larger files (default 1G)'
complete -c coldline -n '_shtab_coldline_using create' -l max-unpacked -x -d 'refuse what unpacks to more (default 1G)'
complete -c coldline -n '_shtab_coldline_using create' -l name -x -d 'what it is called (default: the image'"'"'s name)'
complete -c coldline -n '_shtab_coldline_using create' -l strategy -xka "none flush syscall uncached hypercall uncached-hypercall" -d 'none, flush, syscall, uncached (the default), hypercall, uncached-hypercall; an uncached mapping takes coldline'"'"'s driver'
complete -c coldline -n '_shtab_coldline_using create' -s p -l paused -d 'build it, and leave it paused'
complete -c coldline -n '_shtab_coldline_using create' -l vuart -d 'give it an emulated PL011 besides hvc0'
complete -c coldline -n '_shtab_coldline_using create' -l trace -xka "(__fish_complete_path (commandline -ct))" -d 'write what was really done, for coldline check; - for standard output'
complete -c coldline -n '_shtab_coldline_using create' -l json -d 'one object on standard output'
complete -c coldline -n '_shtab_coldline_using create; and test $_shtab_coldline_npos -eq 0' -ka "(__fish_complete_path (commandline -ct))" -d 'a kernel: Image, zImage, EFI zboot, ELF, uImage or FIT, compressed or not; or raw with --load; or a guest configuration file, as xl takes it'
complete -c coldline -n '_shtab_coldline_using; and test $_shtab_coldline_npos -eq 0' -a console -d 'Show a guest'"'"'s console, and type there; Ctrl-] ends that.'
complete -c coldline -n '_shtab_coldline_using console' -s h -l help -d 'show this help message and exit'
complete -c coldline -n '_shtab_coldline_using console' -l raw -d 'let the guest drive the terminal: escape sequences as they are'
complete -c coldline -n '_shtab_coldline_using console' -l vuart -d 'its emulated PL011 in place of hvc0'
complete -c coldline -n '_shtab_coldline_using; and test $_shtab_coldline_npos -eq 0' -a list -d 'List the domains of the Xen that runs.'
complete -c coldline -n '_shtab_coldline_using list' -s h -l help -d 'show this help message and exit'
complete -c coldline -n '_shtab_coldline_using list' -l json -d 'one array on standard output'
complete -c coldline -n '_shtab_coldline_using; and test $_shtab_coldline_npos -eq 0' -a pause -d 'Stop a domain of Xen where it is.'
complete -c coldline -n '_shtab_coldline_using pause' -s h -l help -d 'show this help message and exit'
complete -c coldline -n '_shtab_coldline_using; and test $_shtab_coldline_npos -eq 0' -a unpause -d 'Let a paused domain of Xen run.'
complete -c coldline -n '_shtab_coldline_using unpause' -s h -l help -d 'show this help message and exit'
complete -c coldline -n '_shtab_coldline_using; and test $_shtab_coldline_npos -eq 0' -a destroy -d 'End a domain of Xen at once, and remove what is left of it.'
complete -c coldline -n '_shtab_coldline_using destroy' -s h -l help -d 'show this help message and exit'
complete -c coldline -n '_shtab_coldline_using; and test $_shtab_coldline_npos -eq 0' -a completion -d 'Print the completions for a shell. In bash: eval "$(coldline completion bash)"; in zsh: eval "$(coldline completion zsh)"; in fish: coldline completion fish | source.'
complete -c coldline -n '_shtab_coldline_using completion' -s h -l help -d 'show this help message and exit'
complete -c coldline -n '_shtab_coldline_using completion; and test $_shtab_coldline_npos -eq 0' -ka "bash zsh fish" -d 'bash, zsh or fish'
