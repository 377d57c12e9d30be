# SPDX-License-Identifier: GPL-2.0-or-later
# scripts/generate makes this file with shtab.

_shtab_coldline_subparsers=(baseline boot cache check compare convert corpus matrix plan rules survey watch host-model create console list pause unpause destroy xl completion)

_shtab_coldline_baseline_option_strings=(-h --help -o --output)
_shtab_coldline_boot_option_strings=(-h --help --sample --bios --initrd --ramdisk --append --cmdline --memory --vcpus --gic --dtb --dtb-only --el --fit-config --load --entry --arch --max-image --max-unpacked --machine --ram --uart --mmio --mmio-default --strategy --host --core --until --schedule --secondary --max-instructions --order --no-order --nc-may-hit --setway-effective --idc --dic --repair --inject --with --baseline --suppressions --symbols --source-prefix --trace --trace-format --format --json --quiet --hazards)
_shtab_coldline_cache_option_strings=(-h --help --build --clear)
_shtab_coldline_check_option_strings=(-h --help --nc-may-hit --setway-effective --idc --dic --repair --with --before --baseline --suppressions --format --json --witness --quiet --hazards --max-hazards --stories)
_shtab_coldline_compare_option_strings=(-h --help --json)
_shtab_coldline_convert_option_strings=(-h --help --to --version --core)
_shtab_coldline_corpus_option_strings=(-h --help --format --json --list --write --from)
_shtab_coldline_matrix_option_strings=(-h --help --sample --bios --initrd --ramdisk --append --cmdline --memory --vcpus --gic --dtb --dtb-only --el --fit-config --load --entry --arch --max-image --max-unpacked --machine --ram --uart --mmio --mmio-default --core --until --schedule --secondary --max-instructions --order --no-order --nc-may-hit --setway-effective --idc --dic --format --json)
_shtab_coldline_plan_option_strings=(-h --help --sample --bios --initrd --ramdisk --append --cmdline --memory --vcpus --gic --dtb --dtb-only --el --fit-config --load --entry --arch --max-image --max-unpacked --machine --ram --uart --mmio --mmio-default --core --json --svg --dtb-out)
_shtab_coldline_rules_option_strings=(-h --help --nc-may-hit --setway-effective --idc --dic --dot --sources)
_shtab_coldline_survey_option_strings=(-h --help --results --site --jobs --scheduler --shard --retry --dry-run --quiet)
_shtab_coldline_watch_option_strings=(-h --help --start --only --name --order --nc-may-hit --setway-effective --idc --dic --trace --trace-format --format --json --quiet --hazards)
_shtab_coldline_host_model_option_strings=(-h --help --observed --builder --arch --name)
_shtab_coldline_create_option_strings=(-h --help --sample --initrd --ramdisk --append --cmdline --memory --vcpus --gic --dtb --dtb-only --fit-config --load --entry --arch --max-image --max-unpacked --name --strategy -p --paused -n --dry-run -e --no-keeper -F --foreground -c --console --lenient --vuart --trace --json)
_shtab_coldline_console_option_strings=(-h --help --raw --vuart)
_shtab_coldline_list_option_strings=(-h --help --json)
_shtab_coldline_pause_option_strings=(-h --help)
_shtab_coldline_unpause_option_strings=(-h --help)
_shtab_coldline_destroy_option_strings=(-h --help)
_shtab_coldline_xl_option_strings=(-h --help --preload)
_shtab_coldline_completion_option_strings=(-h --help)
_shtab_coldline_option_strings=(-h --help --version)

_shtab_coldline_baseline__o_COMPGEN=_shtab_compgen_files
_shtab_coldline_baseline___output_COMPGEN=_shtab_compgen_files
_shtab_coldline_boot_pos_0_COMPGEN=_shtab_compgen_files
_shtab_coldline_boot___bios_COMPGEN=_shtab_compgen_files
_shtab_coldline_boot___initrd_COMPGEN=_shtab_compgen_files
_shtab_coldline_boot___ramdisk_COMPGEN=_shtab_compgen_files
_shtab_coldline_boot___dtb_COMPGEN=_shtab_compgen_files
_shtab_coldline_boot___dtb_only_COMPGEN=_shtab_compgen_files
_shtab_coldline_boot___baseline_COMPGEN=_shtab_compgen_files
_shtab_coldline_boot___suppressions_COMPGEN=_shtab_compgen_files
_shtab_coldline_boot___symbols_COMPGEN=_shtab_compgen_files
_shtab_coldline_boot___source_prefix_COMPGEN=_shtab_compgen_dirs
_shtab_coldline_boot___trace_COMPGEN=_shtab_compgen_files
_shtab_coldline_check_pos_0_COMPGEN=_shtab_compgen_files
_shtab_coldline_check___baseline_COMPGEN=_shtab_compgen_files
_shtab_coldline_check___suppressions_COMPGEN=_shtab_compgen_files
_shtab_coldline_convert_pos_0_COMPGEN=_shtab_compgen_files
_shtab_coldline_convert_pos_1_COMPGEN=_shtab_compgen_files
_shtab_coldline_corpus___write_COMPGEN=_shtab_compgen_dirs
_shtab_coldline_corpus___from_COMPGEN=_shtab_compgen_dirs
_shtab_coldline_matrix_pos_0_COMPGEN=_shtab_compgen_files
_shtab_coldline_matrix___bios_COMPGEN=_shtab_compgen_files
_shtab_coldline_matrix___initrd_COMPGEN=_shtab_compgen_files
_shtab_coldline_matrix___ramdisk_COMPGEN=_shtab_compgen_files
_shtab_coldline_matrix___dtb_COMPGEN=_shtab_compgen_files
_shtab_coldline_matrix___dtb_only_COMPGEN=_shtab_compgen_files
_shtab_coldline_plan_pos_0_COMPGEN=_shtab_compgen_files
_shtab_coldline_plan___bios_COMPGEN=_shtab_compgen_files
_shtab_coldline_plan___initrd_COMPGEN=_shtab_compgen_files
_shtab_coldline_plan___ramdisk_COMPGEN=_shtab_compgen_files
_shtab_coldline_plan___dtb_COMPGEN=_shtab_compgen_files
_shtab_coldline_plan___dtb_only_COMPGEN=_shtab_compgen_files
_shtab_coldline_plan___svg_COMPGEN=_shtab_compgen_files
_shtab_coldline_plan___dtb_out_COMPGEN=_shtab_compgen_files
_shtab_coldline_survey___results_COMPGEN=_shtab_compgen_files
_shtab_coldline_survey___site_COMPGEN=_shtab_compgen_dirs
_shtab_coldline_watch___trace_COMPGEN=_shtab_compgen_files
_shtab_coldline_host_model_pos_0_COMPGEN=_shtab_compgen_files
_shtab_coldline_create_pos_0_COMPGEN=_shtab_compgen_files
_shtab_coldline_create___initrd_COMPGEN=_shtab_compgen_files
_shtab_coldline_create___ramdisk_COMPGEN=_shtab_compgen_files
_shtab_coldline_create___dtb_COMPGEN=_shtab_compgen_files
_shtab_coldline_create___dtb_only_COMPGEN=_shtab_compgen_files
_shtab_coldline_create___trace_COMPGEN=_shtab_compgen_files
_shtab_coldline_xl___preload_COMPGEN=_shtab_compgen_files

_shtab_coldline_boot___sample_choices=(midway-arm64 midway-arm32)
_shtab_coldline_boot___gic_choices=(2 3)
_shtab_coldline_boot___el_choices=(1 2 3)
_shtab_coldline_boot___arch_choices=(arm64 arm32)
_shtab_coldline_boot___machine_choices=(xenvm virt raspi3b raspi4b)
_shtab_coldline_boot___strategy_choices=(none flush syscall uncached hypercall uncached-hypercall)
_shtab_coldline_boot___host_choices=(rfc xen-4.17-arm64 xen-4.17-arm32 xen-4.22-arm64 kvm-arm64 kvm-s2fwb bootloader bootloader-dirty warm-reset clean-reset)
_shtab_coldline_boot___core_choices=(armv8-a architecture cortex-a53 cortex-a57 cortex-a72 xgene1 neoverse-n1 armv7-a architecture-v7 cortex-a7 cortex-a15)
_shtab_coldline_boot___secondary_choices=(psci start)
_shtab_coldline_boot___trace_format_choices=(text binary)
_shtab_coldline_boot___format_choices=(text json witness html sarif junit github)
_shtab_coldline_check___format_choices=(text json witness html sarif junit github)
_shtab_coldline_convert___to_choices=(text binary casemate)
_shtab_coldline_convert___version_choices=(2)
_shtab_coldline_corpus_pos_0_choices=(bao-392 edk2-12509 edk2-448 gbl-276f9de6b1b1 genode-1194 kvm-01dc9262ff57 kvm-2a8dfab26677 kvm-363ef89f8e9b kvm-7ae2f3db6167 kvm-9d218a1fcf4c libnx-593 linux-8ec41987436d linux-9d2d75ede59b linux-bc9f3d7788a8 linux-d0488597a1b7 linux-da9c177de86d linux-f32c7a8e4510 linux-f7daa9c8fd19 m1n1-613 nuttx-19506 sel4-1710 sel4-289 sel4-351 sel4-481 serenity-26763 tfa-511 uboot-d702b0811df5 xen-a0035ecc0d82 xen-ed250c269831 xen-xsa-364 xen-xsa-437 zephyr-113839 zephyr-42546 zephyr-76182 zephyr-9812)
_shtab_coldline_corpus___format_choices=(text json witness html sarif junit github)
_shtab_coldline_matrix___sample_choices=(midway-arm64 midway-arm32)
_shtab_coldline_matrix___gic_choices=(2 3)
_shtab_coldline_matrix___el_choices=(1 2 3)
_shtab_coldline_matrix___arch_choices=(arm64 arm32)
_shtab_coldline_matrix___machine_choices=(xenvm virt raspi3b raspi4b)
_shtab_coldline_matrix___core_choices=(armv8-a architecture cortex-a53 cortex-a57 cortex-a72 xgene1 neoverse-n1 armv7-a architecture-v7 cortex-a7 cortex-a15)
_shtab_coldline_matrix___secondary_choices=(psci start)
_shtab_coldline_matrix___format_choices=(text json witness html sarif junit github)
_shtab_coldline_plan___sample_choices=(midway-arm64 midway-arm32)
_shtab_coldline_plan___gic_choices=(2 3)
_shtab_coldline_plan___el_choices=(1 2 3)
_shtab_coldline_plan___arch_choices=(arm64 arm32)
_shtab_coldline_plan___machine_choices=(xenvm virt raspi3b raspi4b)
_shtab_coldline_plan___core_choices=(armv8-a architecture cortex-a53 cortex-a57 cortex-a72 xgene1 neoverse-n1 armv7-a architecture-v7 cortex-a7 cortex-a15)
_shtab_coldline_watch___start_choices=(clean cold dirty any)
_shtab_coldline_watch___trace_format_choices=(text binary)
_shtab_coldline_watch___format_choices=(text json witness html sarif junit github)
_shtab_coldline_host_model___arch_choices=(arm64 arm32)
_shtab_coldline_create___sample_choices=(midway-arm64 midway-arm32)
_shtab_coldline_create___gic_choices=(2 3)
_shtab_coldline_create___arch_choices=(arm64 arm32)
_shtab_coldline_create___strategy_choices=(none flush syscall uncached hypercall uncached-hypercall)
_shtab_coldline_completion_pos_0_choices=(bash zsh fish)
_shtab_coldline_pos_0_choices=(baseline boot cache check compare convert corpus matrix plan rules survey watch host-model create console list pause unpause destroy xl completion)

_shtab_coldline_baseline_pos_0_nargs=+
_shtab_coldline_baseline__h_nargs=0
_shtab_coldline_baseline___help_nargs=0
_shtab_coldline_boot_pos_1_nargs='*'
_shtab_coldline_boot__h_nargs=0
_shtab_coldline_boot___help_nargs=0
_shtab_coldline_boot___mmio_default_nargs=0
_shtab_coldline_boot___order_nargs=0
_shtab_coldline_boot___no_order_nargs=0
_shtab_coldline_boot___nc_may_hit_nargs=0
_shtab_coldline_boot___setway_effective_nargs=0
_shtab_coldline_boot___idc_nargs=0
_shtab_coldline_boot___dic_nargs=0
_shtab_coldline_boot___repair_nargs=0
_shtab_coldline_boot___json_nargs=0
_shtab_coldline_boot___quiet_nargs=0
_shtab_coldline_cache__h_nargs=0
_shtab_coldline_cache___help_nargs=0
_shtab_coldline_cache___build_nargs=0
_shtab_coldline_cache___clear_nargs=0
_shtab_coldline_check_pos_0_nargs=+
_shtab_coldline_check__h_nargs=0
_shtab_coldline_check___help_nargs=0
_shtab_coldline_check___nc_may_hit_nargs=0
_shtab_coldline_check___setway_effective_nargs=0
_shtab_coldline_check___idc_nargs=0
_shtab_coldline_check___dic_nargs=0
_shtab_coldline_check___repair_nargs=0
_shtab_coldline_check___json_nargs=0
_shtab_coldline_check___witness_nargs=0
_shtab_coldline_check___quiet_nargs=0
_shtab_coldline_compare__h_nargs=0
_shtab_coldline_compare___help_nargs=0
_shtab_coldline_compare___json_nargs=0
_shtab_coldline_convert__h_nargs=0
_shtab_coldline_convert___help_nargs=0
_shtab_coldline_corpus__h_nargs=0
_shtab_coldline_corpus___help_nargs=0
_shtab_coldline_corpus___json_nargs=0
_shtab_coldline_corpus___list_nargs=0
_shtab_coldline_matrix_pos_1_nargs='*'
_shtab_coldline_matrix__h_nargs=0
_shtab_coldline_matrix___help_nargs=0
_shtab_coldline_matrix___mmio_default_nargs=0
_shtab_coldline_matrix___order_nargs=0
_shtab_coldline_matrix___no_order_nargs=0
_shtab_coldline_matrix___nc_may_hit_nargs=0
_shtab_coldline_matrix___setway_effective_nargs=0
_shtab_coldline_matrix___idc_nargs=0
_shtab_coldline_matrix___dic_nargs=0
_shtab_coldline_matrix___json_nargs=0
_shtab_coldline_plan_pos_1_nargs='*'
_shtab_coldline_plan__h_nargs=0
_shtab_coldline_plan___help_nargs=0
_shtab_coldline_plan___mmio_default_nargs=0
_shtab_coldline_plan___json_nargs=0
_shtab_coldline_rules__h_nargs=0
_shtab_coldline_rules___help_nargs=0
_shtab_coldline_rules___nc_may_hit_nargs=0
_shtab_coldline_rules___setway_effective_nargs=0
_shtab_coldline_rules___idc_nargs=0
_shtab_coldline_rules___dic_nargs=0
_shtab_coldline_rules___dot_nargs=0
_shtab_coldline_rules___sources_nargs=0
_shtab_coldline_survey__h_nargs=0
_shtab_coldline_survey___help_nargs=0
_shtab_coldline_survey___retry_nargs=0
_shtab_coldline_survey___dry_run_nargs=0
_shtab_coldline_survey___quiet_nargs=0
_shtab_coldline_watch_pos_0_nargs=+
_shtab_coldline_watch__h_nargs=0
_shtab_coldline_watch___help_nargs=0
_shtab_coldline_watch___order_nargs=0
_shtab_coldline_watch___nc_may_hit_nargs=0
_shtab_coldline_watch___setway_effective_nargs=0
_shtab_coldline_watch___idc_nargs=0
_shtab_coldline_watch___dic_nargs=0
_shtab_coldline_watch___json_nargs=0
_shtab_coldline_watch___quiet_nargs=0
_shtab_coldline_host_model__h_nargs=0
_shtab_coldline_host_model___help_nargs=0
_shtab_coldline_create_pos_1_nargs='*'
_shtab_coldline_create__h_nargs=0
_shtab_coldline_create___help_nargs=0
_shtab_coldline_create__p_nargs=0
_shtab_coldline_create___paused_nargs=0
_shtab_coldline_create__n_nargs=0
_shtab_coldline_create___dry_run_nargs=0
_shtab_coldline_create__e_nargs=0
_shtab_coldline_create___no_keeper_nargs=0
_shtab_coldline_create__F_nargs=0
_shtab_coldline_create___foreground_nargs=0
_shtab_coldline_create__c_nargs=0
_shtab_coldline_create___console_nargs=0
_shtab_coldline_create___lenient_nargs=0
_shtab_coldline_create___vuart_nargs=0
_shtab_coldline_create___json_nargs=0
_shtab_coldline_console__h_nargs=0
_shtab_coldline_console___help_nargs=0
_shtab_coldline_console___raw_nargs=0
_shtab_coldline_console___vuart_nargs=0
_shtab_coldline_list__h_nargs=0
_shtab_coldline_list___help_nargs=0
_shtab_coldline_list___json_nargs=0
_shtab_coldline_pause__h_nargs=0
_shtab_coldline_pause___help_nargs=0
_shtab_coldline_unpause__h_nargs=0
_shtab_coldline_unpause___help_nargs=0
_shtab_coldline_destroy__h_nargs=0
_shtab_coldline_destroy___help_nargs=0
_shtab_coldline_xl_pos_0_nargs=...
_shtab_coldline_xl__h_nargs=0
_shtab_coldline_xl___help_nargs=0
_shtab_coldline_completion__h_nargs=0
_shtab_coldline_completion___help_nargs=0
_shtab_coldline_pos_0_nargs=A...
_shtab_coldline__h_nargs=0
_shtab_coldline___help_nargs=0
_shtab_coldline___version_nargs=0


# $1=COMP_WORDS[1]
_shtab_compgen_files() {
  compgen -f -- $1  # files
}

# $1=COMP_WORDS[1]
_shtab_compgen_dirs() {
  compgen -d -- $1  # recurse into subdirs
}

# $1=COMP_WORDS[1]
_shtab_replace_nonword() {
  echo "${1//[^[:word:]]/_}"
}

# set default values (called for the initial parser & any subparsers)
_set_parser_defaults() {
  local subparsers_var="${prefix}_subparsers[@]"
  sub_parsers=${!subparsers_var-}

  local current_option_strings_var="${prefix}_option_strings[@]"
  current_option_strings=${!current_option_strings_var}

  completed_positional_actions=0

  _set_new_action "pos_$completed_positional_actions" true
}

# $1=action identifier
# $2=positional action (bool)
# set all identifiers for an action's parameters
_set_new_action() {
  current_action="${prefix}_$(_shtab_replace_nonword $1)"

  local current_action_compgen_var=${current_action}_COMPGEN
  current_action_compgen="${!current_action_compgen_var-}"

  local current_action_choices_var="${current_action}_choices[@]"
  current_action_choices="${!current_action_choices_var-}"

  local current_action_nargs_var="${current_action}_nargs"
  if [ -n "${!current_action_nargs_var-}" ]; then
    current_action_nargs="${!current_action_nargs_var}"
  else
    current_action_nargs=1
  fi

  current_action_args_start_index=$(( $word_index + 1 - $pos_only ))

  current_action_is_positional=$2
}

# Notes:
# `COMPREPLY`: what will be rendered after completion is triggered
# `completing_word`: currently typed word to generate completions for
# `${!var}`: evaluates the content of `var` and expand its content as a variable
#     hello="world"
#     x="hello"
#     ${!x} -> ${hello} -> "world"
_shtab_coldline() {
  local completing_word="${COMP_WORDS[COMP_CWORD]}"
  local previous_word="${COMP_WORDS[COMP_CWORD-1]}"
  local completed_positional_actions
  local current_action
  local current_action_args_start_index
  local current_action_choices
  local current_action_compgen
  local current_action_is_positional
  local current_action_nargs
  local current_option_strings
  local sub_parsers
  COMPREPLY=()

  local prefix=_shtab_coldline
  local word_index=0
  local pos_only=0 # "--" delimiter not encountered yet
  _set_parser_defaults
  word_index=1

  # determine what arguments are appropriate for the current state
  # of the arg parser
  while [ $word_index -ne $COMP_CWORD ]; do
    local this_word="${COMP_WORDS[$word_index]}"

    if [[ $pos_only = 1 || " $this_word " != " -- " ]]; then
      if [[ -n $sub_parsers && " ${sub_parsers[@]} " == *" $this_word "* ]]; then
        # valid subcommand: add it to the prefix & reset the current action
        prefix="${prefix}_$(_shtab_replace_nonword $this_word)"
        _set_parser_defaults
      fi

      if [[ " ${current_option_strings[@]} " == *" $this_word "* ]]; then
        # a new action should be acquired (due to recognised option string or
        # no more input expected from current action);
        # the next positional action can fill in here
        _set_new_action $this_word false
      fi

      if [[ "$current_action_nargs" != "*" ]] && \
         [[ "$current_action_nargs" != "+" ]] && \
         [[ "$current_action_nargs" != "?" ]] && \
         [[ "$current_action_nargs" != *"..." ]] && \
         (( $word_index + 1 - $current_action_args_start_index - $pos_only >= \
            $current_action_nargs )); then
        $current_action_is_positional && let "completed_positional_actions += 1"
        _set_new_action "pos_$completed_positional_actions" true
      fi
    else
      pos_only=1 # "--" delimiter encountered
    fi

    let "word_index+=1"
  done

  # Generate the completions

  COMPREPLY=()
  if [[ $pos_only = 0 && "$completing_word" == -* &&
        ( -z "$current_action_compgen" || "$current_action_is_positional" = true ) ]]; then
    # optional argument started: use option strings
    while IFS= read -r line; do COMPREPLY+=("$line"); done < <(
      compgen -W "${current_option_strings[*]}" -- "$completing_word")
  elif [[ "$previous_word" =~ ^[0-9\&]*[\<\>]\>?$ ]]; then
    # handle redirection operators
    compopt -o filenames 2>/dev/null || : # bash>=4
    while IFS= read -r line; do COMPREPLY+=("$line"); done < <(compgen -f -- "$completing_word")
  else
    # use choices & compgen
    local action_compgen_word="$completing_word"
    # handle tab-completing in the middle of a line (#248 <- #116)
    [[ -n "$current_action_compgen" && "$completing_word" == -* ]] && action_compgen_word=""
    [ -n "$current_action_compgen" ] && {
      [[ "$current_action_compgen" =~ _(file|dir|glob|FILE|DIR|GLOB)|File|Dir|Glob ]] &&
        compopt -o filenames 2>/dev/null || : # bash>=4
      while IFS= read -r line; do COMPREPLY+=("$line"); done < <(
        "$current_action_compgen" "$action_compgen_word")
    }
    while IFS= read -r line; do COMPREPLY+=("$line"); done < <(
      compgen -W "${current_action_choices[*]}" -- "$completing_word")
  fi

  if [[ ${#COMPREPLY[@]} = 0 ]]; then
    # native fallback matches are not necessarily filenames (e.g. variables)
    compopt +o filenames 2>/dev/null || : # bash>=4
  fi

  return 0
}

complete -o bashdefault -F _shtab_coldline coldline