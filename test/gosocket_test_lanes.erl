%% Lanes with names, and nodes with settings of their own, for the suites about them.
-module(gosocket_test_lanes).

-include("gosocket_test.hrl").

-export([pair_in/1, echo/1, helper/1, with_lane/2, fresh/2, script/2]).

-spec pair_in(gosocket_lanes:name()) -> {gosocket_test_lib:socket(), gosocket_test_lib:socket()}.
pair_in(Name) ->
    {ok, Listener} = ?S:open(inet, stream, tcp, #{lane => Name}),
    {ok, Port} = ?S:bind(Listener, loopback),
    ok = ?S:listen(Listener),
    {ok, Client} = ?S:open(inet, stream, tcp, #{lane => Name}),
    ok = ?S:connect(Client, #{family => inet, addr => loopback, port => Port}),
    {ok, Server} = ?S:accept(Listener, ?PATIENCE),
    ok = ?S:close(Listener),
    {Client, Server}.

-spec echo({gosocket_test_lib:socket(), gosocket_test_lib:socket()}) -> ok.
echo({Client, Server}) ->
    ok = ?S:send(Client, <<"echo">>),
    {ok, Bytes} = ?S:recv(Server, 4, ?PATIENCE),
    ok = ?S:send(Server, Bytes),
    {ok, <<"echo">>} = ?S:recv(Client, 4, ?PATIENCE),
    ok.

-spec helper(gosocket_lanes:name()) -> pos_integer() | undefined.
helper(Name) ->
    maps:get(helper, gosocket_lanes:info(Name)).

-spec with_lane(gosocket_lanes:settings(), fun((atom()) -> term())) -> ok.
with_lane(Settings, Test) ->
    Name = list_to_atom("lane" ++ gosocket_test_lib:unique()),
    {ok, Lane} = gosocket_lanes:start(Name, Settings),
    true = is_process_alive(Lane),
    try
        Test(Name)
    after
        _ = gosocket_lanes:stop(Name)
    end,
    ok.

%% What runs with these variables in a node of its own, and what that printed.
-spec fresh([{atom(), term()}], fun(() -> Result)) -> {Result, Printed :: binary()}.
fresh(Variables, Test) ->
    Arguments = lists:append([["-gosocket", atom_to_list(Variable), unicode:characters_to_list(io_lib:format("~tw", [Value]))]
                              || {Variable, Value} <- Variables]),
    Node = gosocket_test_node:start(gosocket_test_fresh, later, [fun erlang:spawn/1, Test], [], Arguments),
    case gosocket_test_node:wait(Node) of
        {{returned, Result}, Printed} -> {Result, Printed};
        {Other, Printed} -> ct:fail({Other, Printed})
    end.

%% A program of these lines of the shell, for as long as the test lasts. The programs that it becomes have its name in their environment.
-spec script(iodata(), fun((file:filename()) -> Result)) -> Result.
script(Lines, Test) ->
    Name = gosocket_test_lib:unique(),
    Path = filename:join("/tmp", Name),
    ok = file:write_file(Path, ["#!/bin/sh\nexport SCRIPT=", Name, "\n", Lines, "\n"]),
    ok = file:change_mode(Path, 8#755),
    try
        Test(Path)
    after
        [file:delete(File) || File <- [Path, Path ++ ".starts"]]
    end.
