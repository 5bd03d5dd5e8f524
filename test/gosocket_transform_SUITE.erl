%% Source written for `socket:` compiled with the parse transform: what it calls and does, and what must not change.
-module(gosocket_transform_SUITE).

-export([
    man_page_client_and_server_run_unchanged/1,
    every_way_to_call_runs_on_gosocket/1,
    calls_and_funs_are_renamed/1,
    functions_that_take_a_function_are_known/1,
    child_specifications_are_renamed/1,
    tuples_are_renamed_where_they_name_an_exported_function/1,
    option_data_stays/1,
    patterns_and_guards_stay/1,
    other_modules_calls_stay/1,
    names_are_resolved_as_the_compiler_does/1,
    types_records_and_imports_are_renamed/1,
    attributes_with_other_terms_stay/1,
    source_without_socket_stays/1,
    transformed_source_satisfies_dialyzer/1
]).

-define(OURS, [
    man_page_client_and_server_run_unchanged,
    every_way_to_call_runs_on_gosocket,
    transformed_source_satisfies_dialyzer
]).
-include("gosocket_test.hrl").
-include_lib("common_test/include/ct.hrl").

%% ---- sources that run ----

man_page_client_and_server_run_unchanged(Config) ->
    load(compile(man_page, Config)),
    Address = {127, 0, 0, 1},
    {Server, _} = Call = start(fun() -> man_page:server(Address, 0) end),
    wait_until(fun() -> ports(Server) =/= [] end),
    [Port] = ports(Server),
    await_listening(Port),
    ?assertEqual(ok, man_page:client(Address, Address, Port)),
    ?assertEqual(ok, result(Call)).

%% Of the sockets that a process has bound.
ports(Owner) ->
    [Port || Socket <- gosocket:which_sockets(Owner), {ok, #{port := Port}} <- [gosocket:sockname(Socket)], Port > 0].

every_way_to_call_runs_on_gosocket(Config) ->
    load(compile(every_way, Config)),
    Opened = every_way:opened(),
    Refused = [fun_to_map],
    ?assertEqual(Refused, [Way || {Way, {error, _}} <- Opened]),
    Sockets = [Socket || {_, {ok, Socket}} <- Opened],
    ?assertEqual(length(Opened) - length(Refused), length(Sockets)),
    %% Only gosocket's handles have a descriptor that is the helper's.
    [?assertMatch({ok, _}, gosocket:getopt(Socket, otp, fd)) || Socket <- Sockets],
    [Socket | _] = Sockets,
    ?assertMatch([{ok, true}, {ok, {false, 0}}, {ok, dgram}], every_way:options(Socket)),
    {ok, _} = gosocket:bind(Socket, #{family => inet, addr => loopback, port => 0}),
    ?assertMatch([{ok, Name}, {ok, Name}, {ok, Name}, {ok, Name}], every_way:names(Socket)),
    ?assertEqual({error, enotconn}, every_way:peer(every_way:connection(Socket))),
    ?assert(every_way:selects(Socket)),
    close(Sockets).

%% ---- what is renamed ----

calls_and_funs_are_renamed(_) ->
    becomes("socket:open(inet, stream)", "gosocket:open(inet, stream)"),
    becomes("socket:F(inet, stream)", "gosocket:F(inet, stream)"),
    becomes("catch socket:not_there(1)", "catch gosocket:not_there(1)"),
    becomes("fun socket:send/2", "fun gosocket:send/2"),
    becomes("fun socket:F/N", "fun gosocket:F/N"),
    becomes("{ok, S} = socket:accept(L)", "{ok, S} = gosocket:accept(L)"),
    becomes("[socket:close(S) || {socket, close, [S]} <- socket:info()]",
            "[gosocket:close(S) || {socket, close, [S]} <- gosocket:info()]"),
    becomes("fun Loop(S) -> Loop(socket:recv(S)) end", "fun Loop(S) -> Loop(gosocket:recv(S)) end"),
    becomes("receive X -> X after socket:t() -> <<(socket:x()):8>> end",
            "receive X -> X after gosocket:t() -> <<(gosocket:x()):8>> end"),
    becomes("try socket:a() of A -> socket:b() catch _:_ -> socket:c() after socket:d() end",
            "try gosocket:a() of A -> gosocket:b() catch _:_ -> gosocket:c() after gosocket:d() end"),
    becomes("#{k => socket:a()}", "#{k => gosocket:a()}"),
    becomes("R#r{f = socket:a()}", "R#r{f = gosocket:a()}"),
    becomes("socket:send(S, socket:recv(socket:open(1)))", "gosocket:send(S, gosocket:recv(gosocket:open(1)))").

functions_that_take_a_function_are_known(_) ->
    [becomes(Call, re:replace(Call, "socket", "gosocket", [{return, list}]))
     || Call <- [
        "apply(socket, F, A)", "erlang:apply(socket, f, A)", "erlang:hibernate(socket, f, A)",
        "erlang:make_fun(socket, f, 2)", "erlang:function_exported(socket, f, 2)",
        "spawn(socket, f, A)", "spawn(Node, socket, F, A)", "erlang:spawn_link(socket, f, A)",
        "spawn_link(Node, socket, f, A)", "spawn_monitor(socket, f, A)", "spawn_monitor(Node, socket, f, A)",
        "spawn_opt(socket, f, A, O)", "spawn_opt(Node, socket, f, A, O)",
        "spawn_request(socket, f, A)", "spawn_request(socket, f, A, O)", "spawn_request(Node, socket, f, A)",
        "spawn_request(Node, socket, f, A, O)",
        "proc_lib:spawn(socket, f, A)", "proc_lib:spawn(Node, socket, f, A)", "proc_lib:spawn_link(socket, f, A)",
        "proc_lib:spawn_opt(socket, f, A, O)", "proc_lib:spawn_opt(Node, socket, f, A, O)",
        "proc_lib:spawn_monitor(socket, f, A)", "proc_lib:hibernate(socket, f, A)",
        "proc_lib:start(socket, f, A)", "proc_lib:start_link(socket, f, A, T)",
        "proc_lib:start_monitor(socket, f, A, T, O)",
        "timer:apply_after(T, socket, f, A)", "timer:apply_interval(T, socket, f, A)",
        "timer:apply_repeatedly(T, socket, f, A)", "timer:tc(socket, f, A)", "timer:tc(socket, f, A, U)",
        "rpc:call(Node, socket, f, A)", "rpc:call(Node, socket, F, A, T)", "rpc:block_call(Node, socket, f, A)",
        "rpc:cast(Node, socket, f, A)", "rpc:async_call(Node, socket, f, A)",
        "rpc:multicall(socket, f, A)", "rpc:multicall(socket, f, A, T)", "rpc:multicall(Nodes, socket, f, A)",
        "rpc:multicall(Nodes, socket, f, A, T)", "rpc:pmap({socket, f}, A, L)",
        "erpc:call(Node, socket, f, A)", "erpc:call(Node, socket, f, A, T)", "erpc:cast(Node, socket, f, A)",
        "erpc:multicall(Nodes, socket, f, A)", "erpc:multicall(Nodes, socket, f, A, T)",
        "erpc:multicast(Nodes, socket, f, A)", "erpc:send_request(Node, socket, f, A)",
        "erpc:send_request(Node, socket, f, A, L, C)"]].

child_specifications_are_renamed(_) ->
    becomes("#{id => x, start => {socket, open, Args}}", "#{id => x, start => {gosocket, open, Args}}"),
    becomes("#{start => {socket, F, Args}}", "#{start => {gosocket, F, Args}}"),
    becomes("S#{start := {socket, open, [inet, dgram]}}", "S#{start := {gosocket, open, [inet, dgram]}}"),
    becomes("{x, {socket, open, Args}, permanent, 5000, worker, []}",
            "{x, {gosocket, open, Args}, permanent, 5000, worker, []}"),
    stays("#{start => {socket, linger, Args}}"),
    stays("#{id => x, start => {inet, open, Args}}"),
    stays("#{option => {socket, open, Args}}").

tuples_are_renamed_where_they_name_an_exported_function(_) ->
    becomes("{socket, close, [S]}", "{gosocket, close, [S]}"),
    becomes("{ok, [{socket, info, []}]}", "{ok, [{gosocket, info, []}]}"),
    becomes("{socket, send, [S, socket:recv(S)]}", "{gosocket, send, [S, gosocket:recv(S)]}"),
    becomes("gen_server:start(m, {socket, open, [inet, stream, tcp]}, [])",
            "gen_server:start(m, {gosocket, open, [inet, stream, tcp]}, [])"),
    stays("{socket, close, []}"),
    stays("{socket, close, [S | T]}"),
    stays("{socket, close, Args}"),
    stays("{socket, close, S}"),
    stays("{socket, open, \"ab\"}"),
    stays("{socket, F, [S]}"),
    stays("{socket, close}"),
    stays("{socket, close, [S], x}"),
    stays("[socket, close, [S]]").

%% ---- what is not ----

option_data_stays(_) ->
    [stays(Text)
     || Text <- [
        "gosocket:setopt(S, socket, linger, V)", "[{socket, linger, V}]", "{socket, linger, [1, 2]}",
        "{socket, debug, true}", "{socket, rcvbuf}", "#{level => socket, type => rights, data => D}", "socket",
        "{socket, S}", "#state{socket = socket}", "[socket | T]", "{'$socket', socket}", "S#s.socket",
        "\"socket\"", "f(socket, linger, V)", "socket(1)", "fun socket/1", "socket == X"]].

patterns_and_guards_stay(_) ->
    [stays(Text)
     || Text <- [
        "{socket, close, [S]} = X", "case X of {socket, close, [S]} -> S end",
        "fun({socket, close, [S]}) -> S end", "fun F(#{start := {socket, open, A}}) -> A end",
        "receive {socket, close, [S]} -> S end",
        "try x() of {socket, close, [S]} -> S catch {socket, close, [T]} -> T end",
        "[S || {socket, close, [S]} <- L]", "<< <<1>> || {socket, close, [_]} <- L >>",
        "if X =:= {socket, close, [Y]} -> X end"]],
    becomes("case {socket, close, [S]} of {socket, close, [S]} -> {socket, close, [S]} end",
            "case {gosocket, close, [S]} of {socket, close, [S]} -> {gosocket, close, [S]} end").

other_modules_calls_stay(_) ->
    [stays(Text)
     || Text <- [
        "gen_tcp:open(socket, f, [])", "m:apply(socket, f, A)", "apply(m, socket, A)", "apply(socket, A)",
        "rpc:call(Node, m, socket, [])", "rpc:call(Node, m, socket, [], T)", "rpc:multicall(m, socket, A)",
        "rpc:multicall(m, socket, [x], T)", "spawn_request(m, socket, A, O)", "rpc:pmap({m, socket}, A, L)",
        "spawn_opt(m, socket, A, O)", "timer:apply_after(socket, m, f, A)", "mysocket:open()", "fun m:socket/1",
        "M:spawn(socket, f, A)", "erpc:call(Node, fun() -> socket end)"]].

names_are_resolved_as_the_compiler_does(_) ->
    Own = "-compile({no_auto_import, [apply/3]}). f() -> apply(socket, linger, 1). apply(A, B, C) -> {A, B, C}.",
    ?assertEqual(forms(Own), transformed(Own)),
    ?assertEqual(forms("-import(proc_lib, [start/3]). f() -> start(gosocket, f, [])."),
                 transformed("-import(proc_lib, [start/3]). f() -> start(socket, f, []).")),
    ?assertEqual(forms("-import(m, [spawn/3]). f() -> spawn(socket, f, [])."),
                 transformed("-import(m, [spawn/3]). f() -> spawn(socket, f, []).")).

types_records_and_imports_are_renamed(_) ->
    [?assertEqual(forms(re:replace(Text, "socket:", "gosocket:", [global, {return, list}])), transformed(Text))
     || Text <- [
        "-type t() :: socket:socket() | {socket, [socket:sockaddr()]}.",
        "-opaque t(A) :: #{socket := fun((socket:domain(), A) -> socket)}.",
        "-spec f(S, socket) -> {ok, T} when S :: socket:socket(), T :: socket:type().",
        "-callback f(socket:socket()) -> ok.",
        "-record(r, {socket :: socket:socket(), level = socket, f = fun socket:close/1})."]],
    ?assertEqual(forms("-import(gosocket, [send/2, recv/1])."), transformed("-import(socket, [send/2, recv/1]).")),
    ?assertEqual(forms("-record(r, {close = {gosocket, close, [x]}})."),
                 transformed("-record(r, {close = {socket, close, [x]}}).")).

attributes_with_other_terms_stay(_) ->
    [?assertEqual(forms(Text), transformed(Text))
     || Text <- [
        "-module(socket_user).", "-note({remote, 1, {atom, 1, socket}, {atom, 1, open}}).", "-export([socket/1]).",
        "-note({tuple, 1, [{atom, 1, socket}, {atom, 1, info}, {nil, 1}]}).", "-import(inet, [socket/1])."]].

%% All of this application whose source names the module socket in no call.
source_without_socket_stays(_) ->
    [begin
         {ok, {_, [{abstract_code, {raw_abstract_v1, Forms}}]}} = beam_lib:chunks(code:which(Module), [abstract_code]),
         ?assertEqual({Module, Forms}, {Module, gosocket_transform:parse_transform(Forms, [])})
     end || Module <- modules(), not lists:member(Module, [gosocket_transform, gosocket_rights])].

modules() ->
    [list_to_atom(filename:basename(Beam, ".beam")) || Beam <- beams()].

beams() ->
    filelib:wildcard(filename:join(filename:dirname(code:which(gosocket)), "gosocket*.beam")).

%% ---- dialyzer ----

transformed_source_satisfies_dialyzer(Config) ->
    Plt = plt(),
    skip_unless(Plt =/= none, "no PLT with kernel and stdlib has been built yet"),
    skip_unless(code:which(dialyzer) =/= non_existing, "dialyzer is not installed"),
    Beams = [compile(Module, Config) || Module <- [man_page, every_way, misuse]],
    Warnings = dialyzer:run([{analysis_type, succ_typings}, {init_plt, Plt}, {check_plt, false},
                             {files, Beams ++ beams()}, {warnings, [unmatched_returns, error_handling, unknown]}]),
    About = [{filename:rootname(filename:basename(File)), lists:flatten(dialyzer:format_warning(Warning))}
             || {_, {File, _}, _} = Warning <- Warnings],
    ?assertEqual([], [Text || {Name, Text} <- About, lists:member(Name, ["man_page", "every_way"])]),
    ?assertMatch([_ | _], [Text || {"misuse", Text} <- About, string:find(Text, "gosocket:listen") =/= nomatch]).

%% What `rebar3 dialyzer' has made of this project or of another.
plt() ->
    Caches = [Dir || {ok, [[Home]]} <- [init:get_argument(home)], Dir <- [filename:join(Home, ".cache/rebar3")]],
    Above = [filename:join(Dir, "default")
             || Dir <- parents(code:which(gosocket)), filename:basename(Dir) =:= "_build"],
    Name = "rebar3_" ++ erlang:system_info(otp_release) ++ "*_plt",
    case [Plt || Dir <- Above ++ Caches, Plt <- filelib:wildcard(filename:join(Dir, Name))] of
        [Plt | _] -> Plt;
        [] -> none
    end.

parents(Path) ->
    case filename:dirname(Path) of
        Path -> [];
        Parent -> [Parent | parents(Parent)]
    end.

%% ---- compiling ----

compile(Module, Config) ->
    Source = filename:join(?config(data_dir, Config), Module),
    Options = [debug_info, return, warnings_as_errors, {outdir, ?config(priv_dir, Config)}],
    ?assertEqual({ok, Module, []}, compile:file(Source, Options)),
    Beam = filename:join(?config(priv_dir, Config), atom_to_list(Module) ++ ".beam"),
    {ok, {Module, [{imports, Imports}]}} = beam_lib:chunks(Beam, [imports]),
    ?assertEqual([], [Call || {socket, _, _} = Call <- Imports]),
    ?assertMatch([_ | _], [Call || {gosocket, _, _} = Call <- Imports]),
    Beam.

load(Beam) ->
    {module, _} = code:load_abs(filename:rootname(Beam)),
    ok.

%% As the body of a function.
becomes(Before, After) ->
    ?assertEqual({Before, forms("f() -> " ++ After ++ ".")}, {Before, transformed("f() -> " ++ Before ++ ".")}).

stays(Text) ->
    becomes(Text, Text).

transformed(Text) ->
    gosocket_transform:parse_transform(forms(Text), []).

%% Of source in one line, so that all annotations are equal.
forms(Text) ->
    {ok, Tokens, _} = erl_scan:string(Text),
    forms(Tokens, []).

forms([], []) ->
    [];
forms([{dot, _} = Dot | Tokens], Form) ->
    {ok, Parsed} = erl_parse:parse_form(lists:reverse(Form, [Dot])),
    [Parsed | forms(Tokens, [])];
forms([Token | Tokens], Form) ->
    forms(Tokens, [Token | Form]).
