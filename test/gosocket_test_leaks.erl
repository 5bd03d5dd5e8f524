%% Descriptors, processes, ports and monitors before and after a suite.
-module(gosocket_test_leaks).

-include("gosocket_test.hrl").

-export([snapshot/0, check/1]).

-type snapshot() :: #{atom() => [term()]}.

-define(WARM_UP, 4 bsl 20).

%% What is made on first use (buffers, pipes) is no leak: use it before looking.
-spec snapshot() -> snapshot().
snapshot() ->
    _ = gosocket_test_lib:in_each_lane(fun warm_up/0),
    look().

-spec check(snapshot()) -> ok.
check(Before) ->
    _ = gosocket_test_lib:in_each_lane(fun warm_up/0),
    check(Before, 100).

-spec check(snapshot(), non_neg_integer()) -> ok.
check(Before, Tries) ->
    case maps:filter(fun(_, List) -> List =/= [] end, gained(Before, look())) of
        Gained when map_size(Gained) =:= 0 ->
            ok;
        _ when Tries > 0 ->
            receive
            after 50 -> check(Before, Tries - 1)
            end;
        Gained ->
            ct:pal("left behind: ~p", [Gained]),
            ct:fail({left_behind, Gained})
    end.

%% Descriptors and monitors have no name that would last over a restart of the helper: compare how many of a sort.
-spec gained(snapshot(), snapshot()) -> snapshot().
gained(Before, After) ->
    maps:map(fun(Key, List) -> List -- maps:get(Key, Before) end, After).

-spec look() -> snapshot().
look() ->
    #{ports => ports(), processes => own_processes(), descriptors => descriptors(), monitors => monitors(),
      sockets => sockets()}.

-spec ports() -> [term()].
ports() ->
    lists:sort([proplists:get_value(name, erlang:port_info(Port), closed) || Port <- erlang:ports()]).

%% Common Test's own processes come and go.
-spec own_processes() -> [term()].
own_processes() ->
    lists:sort([Call || Pid <- processes(), Pid =/= self(), Call <- [origin(Pid)], not of_common_test(Call)]).

-spec origin(pid()) -> term().
origin(Pid) ->
    case erlang:process_info(Pid, [dictionary, initial_call, registered_name]) of
        undefined ->
            test_server;
        [{dictionary, Dictionary}, {initial_call, Initial}, {registered_name, Name}] ->
            {proplists:get_value('$initial_call', Dictionary, Initial), Name}
    end.

-spec of_common_test(term()) -> boolean().
of_common_test(test_server) ->
    true;
of_common_test({{Module, _, _}, Name}) ->
    lists:any(fun(Prefix) -> lists:any(fun(Atom) -> lists:prefix(Prefix, text(Atom)) end, [Module, Name]) end,
              ["ct_", "test_server", "cth_", "rebar", "group"]).

-spec text(atom() | []) -> string().
text([]) -> "";
text(Atom) -> atom_to_list(Atom).

-ifdef(REFERENCE).

-spec descriptors() -> [term()].
descriptors() ->
    [Sort || "socket" = Sort <- descriptors(os:getpid())].

-spec monitors() -> [term()].
monitors() ->
    [].

-else.

-spec descriptors() -> [term()].
descriptors() ->
    %% A loop has one more of these while it rests.
    [Sort || OsPid <- helpers(), Sort <- descriptors(integer_to_list(OsPid)), Sort =/= "anon_inode:[eventpoll]"].

-spec helpers() -> [pos_integer()].
helpers() ->
    gosocket_test_lib:in_each_lane(fun gosocket_test_lib:helper_os_pid/0).

-spec monitors() -> [term()].
monitors() ->
    [monitor || Lane <- gosocket_test_lib:in_each_lane(fun gosocket_test_lib:lane/0), {monitors, Monitors} <- [erlang:process_info(Lane, monitors)], _ <- Monitors].

-endif.

-spec descriptors(string()) -> [string()].
descriptors(OsPid) ->
    Directory = "/proc/" ++ OsPid ++ "/fd/",
    {ok, Names} = file:list_dir(Directory),
    lists:sort([sort_of(file:read_link(Directory ++ Name)) || Name <- Names]).

%% "socket:[123]" -> "socket", "anon_inode:[eventfd]" stays
-spec sort_of({ok, string()} | {error, term()}) -> string().
sort_of({ok, Target}) -> re:replace(Target, ":\\[[0-9]+\\]", "", [{return, list}]);
sort_of({error, Reason}) -> atom_to_list(Reason).

-spec sockets() -> [term()].
sockets() ->
    [maps:with([domain, type, protocol], ?S:info(Socket)) || Socket <- ?S:which_sockets()].

-spec warm_up() -> ok.
warm_up() ->
    {A, B} = gosocket_test_net:pair({inet, stream}),
    Writer = gosocket_test_lib:start(fun() -> ?S:send(A, binary:copy(<<0>>, ?WARM_UP)) end),
    {ok, _} = ?S:recv(B, ?WARM_UP),
    ok = gosocket_test_lib:result(Writer),
    ok = ?S:close(A),
    ok = ?S:close(B).
