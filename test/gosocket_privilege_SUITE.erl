%% What needs a capability works with it, and without it ends as the kernel says. The helper runs under setpriv(1) in a node
%% of its own.
-module(gosocket_privilege_SUITE).

-export([
    without_capabilities_the_kernel_says_eperm/1,
    another_user_is_told_the_same/1,
    calls_that_need_no_capability_work_without_any/1,
    cap_net_raw_opens_raw_and_packet_sockets/1,
    cap_net_admin_sets_marks_priorities_and_buffers/1,
    cap_net_bind_service_binds_low_ports/1,
    cap_sys_admin_opens_in_namespaces_and_speaks_for_processes/1,
    cap_setuid_and_setgid_speak_for_users_and_groups/1,
    all_capabilities_do_all_of_it/1,
    capabilities_that_the_configuration_does_not_name_are_dropped/1,
    without_a_helper_nothing_is_protected/1,
    file_capabilities_of_the_helper_serve_any_user/1,
    a_node_of_nobody_has_what_the_file_of_its_helper_gives/1,
    a_helper_keeps_ambient_capabilities_that_are_named/1,
    another_user_cannot_run_that_helper/1
]).

-define(OURS, gosocket_test_lib:cases(?MODULE)).
-include("gosocket_test.hrl").

%% Bits of capabilities(7).
-define(CAP_NET_BIND_SERVICE, 10).
-define(CAP_NET_RAW, 13).

-define(NOBODY, "--reuid=65534 --regid=65534 --clear-groups").

%% ---- without ----

-spec without_capabilities_the_kernel_says_eperm(config()) -> term().
without_capabilities_the_kernel_says_eperm(_) ->
    check_refused(limited("--bounding-set=-all --inh-caps=-all")).

-spec another_user_is_told_the_same(config()) -> term().
another_user_is_told_the_same(_) ->
    check_refused(limited(?NOBODY)).

%% bind(2) has an errno of its own for ports.
-spec check_refused({#{atom() => term()}, non_neg_integer()}) -> ok.
check_refused({Outcomes, Effective}) ->
    ?assertEqual(0, Effective),
    Expected = maps:from_list([{Name, {error, case Name of low_port -> eacces; _ -> eperm end}} || Name <- tried()]),
    ?assertEqual(Expected, maps:with(tried(), Outcomes)),
    ok.

-spec calls_that_need_no_capability_work_without_any(config()) -> term().
calls_that_need_no_capability_work_without_any(_) ->
    with_wrapper(setpriv(?NOBODY, helper()), fun(Wrapper) ->
        {{returned, Results}, _} = gosocket_test_node:wait(
            gosocket_test_node:start(gosocket_test_fresh, exchange, [], [{"GOSOCKET_HELPER", Wrapper}])),
        ?assertEqual([ok], lists:usort(Results))
    end).

%% ---- with one ----

-spec cap_net_raw_opens_raw_and_packet_sockets(config()) -> term().
cap_net_raw_opens_raw_and_packet_sockets(_) ->
    check_allowed("net_raw", [raw_inet, raw_inet6, raw_number, raw_header, packet_raw, packet_dgram, cmsg_hopopts, cmsg_dstopts,
                              option_transparent]).

-spec cap_net_admin_sets_marks_priorities_and_buffers(config()) -> term().
cap_net_admin_sets_marks_priorities_and_buffers(_) ->
    check_allowed("net_admin", [option_mark, option_priority, option_rcvbufforce, option_sndbufforce, option_transparent, cmsg_mark]).

-spec cap_net_bind_service_binds_low_ports(config()) -> term().
cap_net_bind_service_binds_low_ports(_) ->
    skip_unless(lists:member(low_port, tried()), "this system keeps no ports for the privileged"),
    check_allowed("net_bind_service", [low_port]).

-spec cap_sys_admin_opens_in_namespaces_and_speaks_for_processes(config()) -> term().
cap_sys_admin_opens_in_namespaces_and_speaks_for_processes(_) ->
    check_allowed("sys_admin", [netns, credentials_of_another_process]).

-spec cap_setuid_and_setgid_speak_for_users_and_groups(config()) -> term().
cap_setuid_and_setgid_speak_for_users_and_groups(_) ->
    check_allowed("setuid", [credentials_of_another_user]),
    check_allowed("setgid", [credentials_of_another_group]).

%% With this capability alone these work; and what no other capability helps still does not.
-spec check_allowed(string(), [atom()]) -> ok.
check_allowed(Capability, Allowed) ->
    {Outcomes, _} = limited("--bounding-set=-all,+" ++ Capability ++ " --inh-caps=-all"),
    ?assertEqual([], [{Name, Result} || {Name, Result} <- maps:to_list(maps:with(Allowed, Outcomes)), Result =/= ok]),
    ?assertEqual(lists:member(netns, Allowed), maps:get(netns, Outcomes) =:= ok),
    ?assertEqual(lists:member(raw_inet, Allowed), maps:get(raw_inet, Outcomes) =:= ok),
    ok.

-spec all_capabilities_do_all_of_it(config()) -> term().
all_capabilities_do_all_of_it(_) ->
    skip_unless(is_root(), "not root"),
    {Outcomes, Effective} = gosocket_test_privilege:try_all(),
    skip_unless(Effective band 16#1fffff =:= 16#1fffff, "root, but without some of the capabilities"),
    ?assertEqual([], [{Name, Result} || {Name, Result} <- maps:to_list(Outcomes), Result =/= ok]).

-spec capabilities_that_the_configuration_does_not_name_are_dropped(config()) -> term().
capabilities_that_the_configuration_does_not_name_are_dropped(_) ->
    skip_unless(is_root(), "not root"),
    [begin
         Options = ["-gosocket", "capabilities", Written],
         {{returned, {Outcomes, Effective, Protections}}, _} =
             gosocket_test_node:wait(gosocket_test_node:start(gosocket_test_privilege, try_protected, [], [], Options), 2 * ?PATIENCE),
         ?assertEqual({Written, Expected}, {Written, Effective}),
         ?assertEqual(#{no_new_privs => true, capabilities => Kept}, maps:with([no_new_privs, capabilities], Protections)),
         ?assertEqual(lists:member(net_raw, Kept), maps:get(raw_inet, Outcomes) =:= ok),
         ?assertEqual({error, eperm}, maps:get(netns, Outcomes))
     end || {Written, Kept, Expected} <- [{"[]", [], 0}, {"[cap_net_raw]", [net_raw], 1 bsl ?CAP_NET_RAW},
                                          {"[net_raw,net_bind_service]", [net_bind_service, net_raw],
                                           (1 bsl ?CAP_NET_RAW) bor (1 bsl ?CAP_NET_BIND_SERVICE)}]].

-spec without_a_helper_nothing_is_protected(config()) -> term().
without_a_helper_nothing_is_protected(_) ->
    ?assertMatch({{returned, #{protections := Protections}}, _} when Protections =:= #{},
                 gosocket_test_node:wait(gosocket_test_node:start(?S, info, [], []))).

%% setcap(8): so that an unprivileged node has raw sockets.
-spec file_capabilities_of_the_helper_serve_any_user(config()) -> term().
file_capabilities_of_the_helper_serve_any_user(_) ->
    skip_unless(is_root(), "not root"),
    Copy = filename:join("/tmp", unique()),
    {ok, _} = file:copy(helper(), Copy),
    try
        ok = file:change_mode(Copy, 8#755),
        case gosocket_test_netns:shell(["setcap cap_net_raw+ep ", Copy, " 2>&1"]) of
            "" -> ok;
            Why -> throw({skip, "no file capabilities: " ++ string:trim(Why)})
        end,
        {Outcomes, Effective} = tried_by(setpriv(?NOBODY, Copy)),
        ?assertEqual(1 bsl ?CAP_NET_RAW, Effective),
        ?assertMatch(#{raw_inet := ok, packet_raw := ok, netns := {error, eperm}}, Outcomes)
    after
        file:delete(Copy)
    end.

%% The node has no capability, its helper those of the file; of these it keeps what the configuration names.
-spec a_node_of_nobody_has_what_the_file_of_its_helper_gives(config()) -> term().
a_node_of_nobody_has_what_the_file_of_its_helper_gives(_) ->
    as_nobody(fun(Directory, Helper) ->
        gosocket_test_netns:alone(fun(#{name := Namespace}) ->
            Try = fun(Options) -> tried_as_nobody(Directory, ["ip netns exec ", Namespace, " setpriv " ?NOBODY], Helper, Options) end,
            Low = 1 bsl ?CAP_NET_BIND_SERVICE,
            Raw = 1 bsl ?CAP_NET_RAW,
            Both = #{user => "65534", ping => {ok, <<"hi">>}, port_80 => {ok, 80}, raw => ok, raw_of_another_lane => {error, eperm},
                     effective => Low bor Raw, capabilities => [net_bind_service, net_raw]},
            ?assertEqual(Both, Try([])),
            ?assertEqual(Both#{effective := Low, capabilities := [net_bind_service], raw := {error, eperm}, ping := {error, eperm}},
                         Try(["-gosocket", "capabilities", "[net_bind_service]"])),
            ?assertEqual(Both#{effective := 0, capabilities := [], raw := {error, eperm}, ping := {error, eperm}, port_80 := {error, eacces}},
                         Try(["-gosocket", "capabilities", "[]"]))
        end)
    end).

%% As systemd gives them to a unit, by its AmbientCapabilities: the node has them, and its helper inherits them.
-spec a_helper_keeps_ambient_capabilities_that_are_named(config()) -> term().
a_helper_keeps_ambient_capabilities_that_are_named(_) ->
    as_nobody(fun(Directory, Helper) ->
        ?assertEqual("", gosocket_test_netns:shell(["setcap -r ", Helper, " 2>&1"])),
        Given = "setpriv " ?NOBODY " --inh-caps=-all,+net_raw,+net_bind_service --ambient-caps=-all,+net_raw,+net_bind_service",
        ?assertMatch(#{user := "65534", ping := {ok, <<"hi">>}, effective := 1 bsl ?CAP_NET_RAW,
                       capabilities := [net_raw]},
                     tried_as_nobody(Directory, Given, Helper, ["-gosocket", "capabilities", "[net_raw,net_admin]"]))
    end).

-spec tried_as_nobody(file:filename(), Command :: iodata(), Helper :: file:filename(), [string()]) -> #{atom() => term()}.
tried_as_nobody(Directory, Command, Helper, Options) ->
    Erl = filename:join(Directory, "erl"),
    ok = file:write_file(Erl, ["#!/bin/sh\nexec ", Command, $\s, os:find_executable("erl"), " \"$@\"\n"]),
    ok = file:change_mode(Erl, 8#755),
    Node = gosocket_test_node:start(Erl, [Directory], gosocket_test_privilege, try_as_nobody, [],
                                    [{"GOSOCKET_HELPER", Helper}, {"HOME", Directory}], Options),
    case gosocket_test_node:wait(Node, 2 * ?PATIENCE) of
        {{returned, Tried}, _} -> Tried;
        {Other, Printed} -> ct:fail({Other, Printed})
    end.

-spec another_user_cannot_run_that_helper(config()) -> term().
another_user_cannot_run_that_helper(_) ->
    as_nobody(fun(_, Helper) ->
        Run = fun(User) ->
            %% setpriv(1) itself has root's capabilities until it becomes another program.
            gosocket_test_netns:shell(["setpriv --reuid=", User, " --regid=", User, " --clear-groups "
                                       "sh -c '", Helper, " -version >/dev/null 2>&1; echo $?'"])
        end,
        ?assertEqual({"0\n", "126\n"}, {Run("65534"), Run("65533")})
    end).

%% A directory that nobody may read, with the modules, and a helper of group 65534 that has file capabilities.
-spec as_nobody(fun((Directory :: file:filename(), Helper :: file:filename()) -> Result)) -> Result.
as_nobody(Test) ->
    _ = setpriv("", ""),
    Directory = filename:join("/tmp", unique()),
    Helper = filename:join(Directory, "helper"),
    ok = file:make_dir(Directory),
    try
        [{ok, _} = file:copy(File, filename:join(Directory, filename:basename(File)))
         || Module <- [?S, gosocket_test_node], File <- filelib:wildcard(filename:join(filename:dirname(code:which(Module)), "*.{beam,app}"))],
        {ok, _} = file:copy(helper(), Helper),
        ok = file:change_group(Helper, 65534),
        ok = file:change_mode(Helper, 8#750),
        case gosocket_test_netns:shell(["setcap cap_net_raw,cap_net_bind_service+ep ", Helper, " 2>&1"]) of
            "" -> Test(Directory, Helper);
            Why -> throw({skip, "no file capabilities: " ++ string:trim(Why)})
        end
    after
        file:del_dir_r(Directory)
    end.

%% ---- how ----

%% Those that need a capability here.
-spec tried() -> [atom()].
tried() ->
    {ok, Start} = file:read_file("/proc/sys/net/ipv4/ip_unprivileged_port_start"),
    [Name || Name <- gosocket_test_privilege:names(),
             Name =/= low_port orelse binary_to_integer(string:trim(Start)) >= 1024].

-spec limited(string()) -> {#{atom() => term()}, non_neg_integer()}.
limited(Options) ->
    tried_by(setpriv(Options, helper())).

-spec setpriv(string(), file:filename()) -> string().
setpriv(Options, Helper) ->
    skip_unless(is_root(), "not root"),
    skip_unless(os:find_executable("setpriv") =/= false, "no setpriv(1)"),
    skip_unless(has_ipv6(), "no IPv6 on loopback"),
    "exec setpriv " ++ Options ++ " " ++ Helper.

-spec is_root() -> boolean().
is_root() -> os:cmd("id -u") =:= "0\n".

-spec helper() -> file:filename().
helper() ->
    {ok, Path} = file:read_link("/proc/" ++ integer_to_list(helper_os_pid()) ++ "/exe"),
    Path.

-spec tried_by(string()) -> {#{atom() => term()}, non_neg_integer()}.
tried_by(Command) ->
    with_wrapper(Command, fun(Wrapper) ->
        Node = gosocket_test_node:start(gosocket_test_privilege, try_all, [], [{"GOSOCKET_HELPER", Wrapper}]),
        case gosocket_test_node:wait(Node, 2 * ?PATIENCE) of
            {{returned, Tried}, _} -> Tried;
            {Other, Printed} -> ct:fail({Other, Printed})
        end
    end).

-spec with_wrapper(string(), fun((file:filename()) -> Result)) -> Result.
with_wrapper(Command, Test) ->
    Path = filename:join("/tmp", unique()),
    ok = file:write_file(Path, ["#!/bin/sh\n", Command, " \"$@\"\n"]),
    ok = file:change_mode(Path, 8#755),
    try
        Test(Path)
    after
        file:delete(Path)
    end.
