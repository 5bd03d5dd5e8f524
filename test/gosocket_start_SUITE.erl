%% How it begins: without set-up, from any process, and with an answer when the helper cannot start. Each case has a node
%% of its own.
-module(gosocket_start_SUITE).

-export([
    first_open_on_a_fresh_node_needs_no_setup/1,
    first_open_may_come_from_any_process/1,
    many_first_opens_share_one_helper/1,
    every_kind_of_call_works_in_a_fresh_node/1,
    missing_helper_is_enoent/1,
    helper_that_is_not_executable_is_eacces/1,
    helper_that_is_a_directory_is_an_error/1,
    helper_that_is_no_program_is_enoexec/1,
    helper_of_another_protocol_version_is_eproto/1,
    helper_that_exits_before_its_hello_is_an_error/1,
    helper_that_never_says_hello_is_etimedout_and_killed/1,
    failure_is_logged_once_for_each_open_with_the_path/1,
    environment_variable_beats_application_variable/1,
    application_variable_names_the_helper/1,
    settings_that_are_not_understood_are_einval/1,
    failed_start_does_not_stop_the_next/1,
    open_in_prep_stop_gives_up_with_closed/1,
    application_that_stops_ends_its_helper/1,
    application_calls_another_socket_module_in_one_place/1
]).

-define(OURS, []).
-define(BESIDE, [helper_that_never_says_hello_is_etimedout_and_killed, settings_that_are_not_understood_are_einval,
                 open_in_prep_stop_gives_up_with_closed]).
-include("gosocket_test.hrl").

%% ---- good starts ----

-spec fresh(atom(), [term()]) -> term().
fresh(Function, Arguments) ->
    fresh(Function, Arguments, [{"GOSOCKET_HELPER", false}]).

-spec fresh(atom(), [term()], [{string(), string() | false}]) -> term().
fresh(Function, Arguments, Environment) ->
    {Result, Printed} = gosocket_test_node:wait(gosocket_test_node:start(gosocket_test_fresh, Function, Arguments, Environment)),
    ct:log("~ts", [Printed]),
    Result.

-spec first_open_on_a_fresh_node_needs_no_setup(config()) -> term().
first_open_on_a_fresh_node_needs_no_setup(_) ->
    ?assertEqual({returned, {opened, ok}}, fresh(open, [])).

-spec first_open_may_come_from_any_process(config()) -> term().
first_open_may_come_from_any_process(_) ->
    [?assertEqual({returned, {opened, ok}}, fresh(later, [Spawn, fun gosocket_test_fresh:open/0]))
     || Spawn <- [fun erlang:spawn/1, fun erlang:spawn_link/1, fun proc_lib:spawn/1]].

-spec many_first_opens_share_one_helper(config()) -> term().
many_first_opens_share_one_helper(_) ->
    ?assertEqual({returned, {[{ok, dgram}], gosocket_test_lib:default_lanes()}}, fresh(opens, [100])).

-spec every_kind_of_call_works_in_a_fresh_node(config()) -> term().
every_kind_of_call_works_in_a_fresh_node(_) ->
    {returned, Results} = fresh(exchange, []),
    ?assertEqual([ok], lists:usort(Results)).

-spec application_that_stops_ends_its_helper(config()) -> term().
application_that_stops_ends_its_helper(_) ->
    ?assertEqual({returned, {{error, closed}, {error, closed}, {opened, ok}}}, fresh(stops, [])).

%% ---- helpers that do not start ----

-spec missing_helper_is_enoent(config()) -> term().
missing_helper_is_enoent(_) ->
    ?assertEqual({returned, {error, enoent}}, with_helper("/" ++ unique())).

-spec helper_that_is_not_executable_is_eacces(config()) -> term().
helper_that_is_not_executable_is_eacces(_) ->
    with_file("#!/bin/sh\nexit 0\n", 8#644, fun(Path) ->
        ?assertEqual({returned, {error, eacces}}, with_helper(Path))
    end).

-spec helper_that_is_a_directory_is_an_error(config()) -> term().
helper_that_is_a_directory_is_an_error(_) ->
    {returned, {error, Reason}} = with_helper("/tmp"),
    ?assert(lists:member(Reason, [eacces, eisdir])).

-spec helper_that_is_no_program_is_enoexec(config()) -> term().
helper_that_is_no_program_is_enoexec(_) ->
    with_file(<<0, 1, 2, 3>>, 8#755, fun(Path) ->
        ?assertEqual({returned, {error, enoexec}}, with_helper(Path))
    end).

-spec helper_of_another_protocol_version_is_eproto(config()) -> term().
helper_of_another_protocol_version_is_eproto(_) ->
    Hello = {hello, #{protocol => 999, version => <<"9">>, pid => 1, window => 65536, frame_limit => 1 bsl 24,
                      message_limit => 1 bsl 24, loops => 1}},
    Term = term_to_binary(Hello),
    Bytes = [io_lib:format("\\~3.8.0b", [Byte]) || <<Byte>> <= <<(byte_size(Term)):32, Term/binary>>],
    with_file(["#!/bin/sh\nprintf '", Bytes, "'\nexec cat >/dev/null\n"], 8#755, fun(Path) ->
        ?assertEqual({returned, {error, eproto}}, with_helper(Path))
    end).

-spec helper_that_exits_before_its_hello_is_an_error(config()) -> term().
helper_that_exits_before_its_hello_is_an_error(_) ->
    [with_file(io_lib:format("#!/bin/sh\nexit ~b\n", [Status]), 8#755, fun(Path) ->
        ?assertEqual({Status, {returned, {error, Reason}}}, {Status, with_helper(Path)})
    end) || {Status, Reason} <- [{0, eproto}, {8, enoexec}, {12, enomem}, {77, eproto}]].

%% exec: the process that is killed has to be the one that sleeps.
-spec helper_that_never_says_hello_is_etimedout_and_killed(config()) -> term().
helper_that_never_says_hello_is_etimedout_and_killed(_) ->
    Seconds = integer_to_list(100000 + erlang:unique_integer([positive])),
    with_file(["#!/bin/sh\nexec sleep ", Seconds, "\n"], 8#755, fun(Path) ->
        {returned, {Elapsed, Result}} = fresh(open_till_gone, [["sleep", Seconds]], [{"GOSOCKET_HELPER", Path}]),
        ?assertEqual({error, etimedout}, Result),
        ?assert(Elapsed >= 5000 andalso Elapsed < 7000)
    end).

-spec failure_is_logged_once_for_each_open_with_the_path(config()) -> term().
failure_is_logged_once_for_each_open_with_the_path(_) ->
    Path = "/" ++ unique(),
    Node = gosocket_test_node:start(gosocket_test_fresh, open_twice, [], [{"GOSOCKET_HELPER", Path}]),
    {{returned, [{error, enoent}, {error, enoent}]}, Printed} = gosocket_test_node:wait(Node),
    ?assertEqual(2, length(binary:matches(Printed, list_to_binary(Path)))).

-spec environment_variable_beats_application_variable(config()) -> term().
environment_variable_beats_application_variable(_) ->
    Options = ["-gosocket", "helper", "\"/" ++ unique() ++ "\""],
    Node = gosocket_test_node:start(gosocket_test_fresh, open, [], [{"GOSOCKET_HELPER", helper_path()}], Options),
    ?assertMatch({{returned, {opened, ok}}, _}, gosocket_test_node:wait(Node)).

-spec application_variable_names_the_helper(config()) -> term().
application_variable_names_the_helper(_) ->
    Missing = gosocket_test_node:start(gosocket_test_fresh, open, [], [{"GOSOCKET_HELPER", false}],
                                       ["-gosocket", "helper", "\"/" ++ unique() ++ "\""]),
    ?assertMatch({{returned, {error, enoent}}, _}, gosocket_test_node:wait(Missing)),
    Found = gosocket_test_node:start(gosocket_test_fresh, open, [], [{"GOSOCKET_HELPER", false}],
                                     ["-gosocket", "helper", lists:flatten(io_lib:format("~p", [helper_path()]))]),
    ?assertMatch({{returned, {opened, ok}}, _}, gosocket_test_node:wait(Found)).

-spec settings_that_are_not_understood_are_einval(config()) -> term().
settings_that_are_not_understood_are_einval(_) ->
    [?assertEqual({Variable, Value, {returned, {error, einval}}}, {Variable, Value, fresh(open_with, [Variable, Value])})
     || {Variable, Value} <- [{loops, 17}, {loops, some}, {spin_us, -1}, {window, 1}, {parked_limit, -1}, {log_level, silly},
                              {send_ahead, -1}, {socket_limit, -1}, {waiting_limit, many}, {memory_limit, -5}, {lane_spin, -1}, {caller_spin, often},
                              {capabilities, [net_rwa]}, {capabilities, net_raw}, {capabilities, ["net_raw"]},
                              {capabilities, [net_raw | net_admin]}, {capabilities, ['net_raw,net_admin']},
                              {system_call_filter, 1}, {landlock, yes},
                              {alow, [{domains, [local]}]}, {capabilites, []}, {landlok, true}, {lane, #{}}]].

%% A helper that is repaired works at once, without a restart of anything.
-spec failed_start_does_not_stop_the_next(config()) -> term().
failed_start_does_not_stop_the_next(_) ->
    Helper = helper_path(),
    with_file("#!/bin/sh\nexit 1\n", 8#755, fun(Path) ->
        Node = gosocket_test_node:start(gosocket_test_fresh, later, [fun erlang:spawn/1, fun() ->
            Failed = [gosocket_test_fresh:open() || _ <- lists:seq(1, 20)],
            ok = file:delete(Path),
            ok = file:make_symlink(Helper, Path),
            {lists:usort(Failed), gosocket_test_fresh:open()}
        end], [{"GOSOCKET_HELPER", Path}]),
        ?assertMatch({{returned, {[{error, eperm}], {opened, ok}}}, _}, gosocket_test_node:wait(Node))
    end).

-spec with_helper(file:filename()) -> term().
with_helper(Path) ->
    fresh(open, [], [{"GOSOCKET_HELPER", Path}]).

-spec with_file(iodata(), non_neg_integer(), fun((file:filename()) -> Result)) -> Result.
with_file(Content, Mode, Test) ->
    Path = filename:join("/tmp", unique()),
    ok = file:write_file(Path, Content),
    ok = file:change_mode(Path, Mode),
    try
        Test(Path)
    after
        file:delete(Path)
    end.

-spec helper_path() -> file:filename().
helper_path() ->
    {ok, Path} = file:read_link("/proc/" ++ integer_to_list(helper_os_pid()) ++ "/exe"),
    Path.

%% ---- ends ----

-spec open_in_prep_stop_gives_up_with_closed(config()) -> term().
open_in_prep_stop_gives_up_with_closed(_) ->
    Node = gosocket_test_node:start(gosocket_test_fresh, stop_node, [], [{"GOSOCKET_HELPER", false}]),
    {Answer, Said} = gosocket_test_node:await_said(Node, "answered"),
    {_, _} = gosocket_test_node:wait(Said),
    {ok, Tokens, _} = erl_scan:string(Answer ++ "."),
    {ok, {Result, Elapsed}} = erl_parse:parse_term(Tokens),
    ?assertEqual({error, closed}, Result),
    ?assert(Elapsed < 8000).

%% ---- the code itself ----

%% Every remote call and every `fun M:F/A' of the abstract code.
-spec application_calls_another_socket_module_in_one_place(config()) -> term().
application_calls_another_socket_module_in_one_place(_) ->
    Beams = filelib:wildcard(filename:join(filename:dirname(code:which(?S)), "*.beam")),
    ?assert(length(Beams) > 3),
    Calls = lists:usort([{filename:basename(Beam, ".beam"), Module} || Beam <- Beams, Module <- called_modules(Beam)]),
    ?assert(lists:keymember(erlang, 2, Calls)),
    ?assertEqual([{"gosocket_rights", socket}],
                 [Call || {_, Module} = Call <- Calls,
                          lists:member(Module, [socket, gen_tcp, gen_udp, gen_sctp, inet, inet6_tcp, inet_tcp,
                                                inet_udp, prim_inet, prim_socket, local_tcp, local_udp])]).

-spec called_modules(file:filename()) -> [module()].
called_modules(Beam) ->
    {ok, {_, [{abstract_code, {_, Forms}}]}} = beam_lib:chunks(Beam, [abstract_code]),
    remote(Forms).

-spec remote(term()) -> [module()].
remote({remote, _, {atom, _, Module}, _}) -> [Module];
remote({function, {atom, _, Module}, _, _}) -> [Module];
remote({attribute, _, import, {Module, _}}) -> [Module];
remote({attribute, _, _, _}) -> [];
remote(Tuple) when is_tuple(Tuple) -> remote(tuple_to_list(Tuple));
remote([Head | Tail]) -> remote(Head) ++ remote(Tail);
remote(_) -> [].
